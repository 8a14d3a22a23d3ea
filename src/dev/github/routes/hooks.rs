//! The deliveries of the App's webhook, for the App itself.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    response::IntoResponse as _,
    routing::{get, post},
};
use http::HeaderValue;
use serde_json::{Value, json};

use super::{
    apps::app_of,
    extract::By,
    paging::{Query, linked},
};
use crate::dev::github::{
    answers::{Answer, accepted, ok},
    deliveries,
    delivery_log::{About, Attempt},
    refusal::Refusal,
    shared::Shared,
    state::HookOwner,
};

/// What GitHub's cursors begin with; the rest of the twin's is a delivery's id, that of GitHub's is opaque.
const CURSOR: &str = "v1_";

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/app/hook/deliveries", get(list))
        .route("/app/hook/deliveries/{id}", get(one))
        .route("/app/hook/deliveries/{id}/attempts", post(redeliver))
}

/// Newest first, from the delivery that the cursor names on.
async fn list(State(shared): State<Arc<Shared>>, by: By, query: Query) -> Answer {
    let owner = HookOwner::App(app_of(&shared, &by)?.id);
    let status = query.get("status");
    if status.is_some_and(|status| !["success", "failure"].contains(&status)) {
        return Err(Refusal::field("Hook", "status", "invalid"));
    }
    let recent = shared.host.deliveries.recent(shared.host.clock.now());
    let all: Vec<_> = recent.into_iter().filter(|(it, _)| it.owner == owner && fits(status, it)).collect();
    let first = match query.get("cursor") {
        None => 0,
        Some(cursor) => position(&all, cursor).ok_or_else(|| Refusal::field("Hook", "cursor", "invalid"))?,
    };
    let size = query.size();
    let link = |at: usize, name: &str| {
        let (attempt, _) = all.get(at)?;
        let address = query.address(&shared.links, "cursor", &format!("{CURSOR}{}", attempt.id));
        Some(format!("<{address}>; rel=\"{name}\""))
    };
    let previous = (first > 0).then(|| link(first.saturating_sub(size), "prev")).flatten();
    let links: Vec<String> = link(first + size, "next").into_iter().chain(previous).collect();
    let header = HeaderValue::from_str(&links.join(", ")).ok().filter(|_| !links.is_empty());
    let page: Vec<Value> = all.iter().skip(first).take(size).map(|(it, about)| item(it, about)).collect();
    Ok(linked(Json(page).into_response(), header))
}

fn position(all: &[(Attempt, About)], cursor: &str) -> Option<usize> {
    let id: i64 = cursor.strip_prefix(CURSOR)?.parse().ok()?;
    all.iter().position(|(attempt, _)| attempt.id <= id)
}

/// A `status` is a range of codes, which no other failure than an answer is in. O, `/app/hook/deliveries`.
fn fits(status: Option<&str>, attempt: &Attempt) -> bool {
    match status {
        Some("success") => (200..400).contains(&attempt.status_code),
        Some(_) => (400..600).contains(&attempt.status_code),
        None => true,
    }
}

async fn one(State(shared): State<Arc<Shared>>, by: By, Path(id): Path<i64>) -> Answer {
    let owner = HookOwner::App(app_of(&shared, &by)?.id);
    let found = shared.host.deliveries.find(id, shared.host.clock.now())?;
    let it = found.filter(|it| it.attempt.owner == owner).ok_or_else(Refusal::not_found)?;
    let mut shown = item(&it.attempt, &it.about);
    shown["url"] = json!(it.attempt.url);
    shown["request"] = json!({"headers": it.request_headers, "payload": it.payload});
    shown["response"] = json!({"headers": it.response_headers, "payload": it.response_payload});
    ok(shown)
}

async fn redeliver(State(shared): State<Arc<Shared>>, by: By, Path(id): Path<i64>) -> Answer {
    deliveries::redeliver(&shared.host, app_of(&shared, &by)?.id, id)?;
    accepted(json!({}))
}

fn item(it: &Attempt, about: &About) -> Value {
    let at = chrono::DateTime::from_timestamp_millis(it.at).unwrap_or_default();
    json!({
        "id": it.id, "guid": it.guid, "delivered_at": at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        "redelivery": it.is_redelivery, "duration": it.duration, "status": it.status,
        "status_code": it.status_code, "event": it.event, "action": about.action,
        "installation_id": about.installation, "repository_id": about.repository, "throttled_at": null,
    })
}
