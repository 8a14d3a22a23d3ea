//! Apps, their installations and tokens, and who the caller is.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Path, State},
    response::IntoResponse as _,
    routing::{delete, get, post},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{
    extract::{Body, By, Caller},
    paging::{Query, list},
};
use crate::dev::github::{
    access,
    answers::{Answer, no_content, ok},
    apps::{App, Installation},
    credentials::Kind,
    refusal::Refusal,
    render::with,
    shared::Shared,
    state,
    tokens::{self, Form, Wish},
    versions::Selected,
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/user", get(user))
        .route("/users/{login}", get(account))
        .route("/apps/{slug}", get(app_named))
        .route("/app", get(own_app))
        .route("/app/installations", get(installations))
        .route("/app/installations/{id}", get(installation))
        .route("/app/installations/{id}/access_tokens", post(mint))
        .route("/repos/{owner}/{repo}/installation", get(installation_on_repository))
        .route("/orgs/{org}/installation", get(installation_on_account))
        .route("/installation/repositories", get(reached))
        .route("/installation/token", delete(revoke))
        .route("/rate_limit", get(rate_limit))
}

async fn user(State(shared): State<Arc<Shared>>, Caller(login): Caller) -> Answer {
    ok(shared.links.profile(&login))
}

/// People are not registered: every login is a person's. A bot is known if its App is.
async fn account(State(shared): State<Arc<Shared>>, Path(login): Path<String>) -> Answer {
    if let Some(slug) = login.strip_suffix("[bot]") {
        app_of_slug(&shared, slug)?;
    }
    ok(shared.links.profile(&login))
}

async fn app_named(State(shared): State<Arc<Shared>>, Path(slug): Path<String>) -> Answer {
    ok(shared.links.own_app(&app_of_slug(&shared, &slug)?, 0))
}

fn app_of_slug(shared: &Shared, slug: &str) -> Result<App, Refusal> {
    shared.host.with_state(|state| state.registry.app_with_slug(slug).cloned()).ok_or_else(Refusal::not_found)
}

/// The App whose JWT the request carries.
pub(super) fn app_of(shared: &Shared, By(by): &By) -> Result<App, Refusal> {
    let Kind::App { id } = by.kind else { return Err(Refusal::not_found()) };
    shared.host.with_state(|state| state.registry.apps.get(&id).cloned()).ok_or_else(Refusal::not_found)
}

async fn own_app(State(shared): State<Arc<Shared>>, by: By) -> Answer {
    let app = app_of(&shared, &by)?;
    let count = installed(&shared, &app, |_| true).len();
    ok(shared.links.own_app(&app, count))
}

fn installed(shared: &Shared, app: &App, keep: impl Fn(&Installation) -> bool) -> Vec<Value> {
    shared.host.with_state(|state| {
        let of_app = state.registry.installations.values().filter(|it| it.app == app.id && keep(it));
        of_app.map(|it| shared.links.installation(app, it)).collect()
    })
}

async fn installations(State(shared): State<Arc<Shared>>, by: By, query: Query) -> Answer {
    let app = app_of(&shared, &by)?;
    list(&shared.links, &query, installed(&shared, &app, |_| true))
}

async fn installation(State(shared): State<Arc<Shared>>, by: By, Path(id): Path<i64>) -> Answer {
    first(installed(&shared, &app_of(&shared, &by)?, |it| it.id == id))
}

async fn installation_on_account(
    State(shared): State<Arc<Shared>>,
    by: By,
    Path(org): Path<String>,
) -> Answer {
    first(installed(&shared, &app_of(&shared, &by)?, |it| it.account == org))
}

async fn installation_on_repository(
    State(shared): State<Arc<Shared>>,
    by: By,
    Path((owner, name)): Path<(String, String)>,
) -> Answer {
    let app = app_of(&shared, &by)?;
    let id = shared.host.read(&format!("{owner}/{name}"), |it| it.id)?;
    first(installed(&shared, &app, |it| it.covers(&owner, id)))
}

fn first(found: Vec<Value>) -> Answer {
    ok(found.into_iter().next().ok_or_else(Refusal::not_found)?)
}

async fn mint(
    State(shared): State<Arc<Shared>>,
    by: By,
    Path(id): Path<i64>,
    headers: HeaderMap,
    Body(wish): Body<Wish>,
) -> Answer {
    let app = app_of(&shared, &by)?;
    let asked = headers.get("x-github-stateless-s2s-token").and_then(|value| value.to_str().ok());
    let long = match asked {
        Some("enabled") => true,
        Some("disabled") => false,
        _ => shared.credentials.are_long(),
    };
    let form = Form { long, now: shared.credentials.now(), life: shared.credentials.life() };
    let minted = tokens::mint(&shared.host, app.id, id, wish, form)?;
    let chosen = shared.host.with_state(|state| {
        let chosen =
            |it: &&state::Repository| minted.repositories.as_ref().is_some_and(|ids| ids.contains(&it.id));
        shared.links.reached(&state.repositories.values().filter(chosen).collect::<Vec<_>>())
    });
    Ok((StatusCode::CREATED, axum::Json(shared.links.minted(&minted, &chosen))).into_response())
}

async fn reached(State(shared): State<Arc<Shared>>, By(by): By, query: Query) -> Answer {
    let all = shared.host.with_state(|state| {
        let seen: Vec<_> = state.repositories.values().filter(|it| access::sees(&by, it)).collect();
        shared.links.reached(&seen)
    });
    let total = all.len();
    let (shown, _) = query.page(&shared.links, all);
    ok(json!({"total_count": total, "repositories": shown, "repository_selection": "selected"}))
}

async fn revoke(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Answer {
    shared.credentials.revoke(&shared.host, &headers)?;
    no_content()
}

/// Version 2026-03-10 no longer has `rate` beside `resources`.
async fn rate_limit(
    State(shared): State<Arc<Shared>>,
    By(by): By,
    Extension(version): Extension<Selected>,
) -> Answer {
    let reset = chrono::Utc::now().timestamp() / 3600 * 3600 + 3600;
    let whole = json!({"limit": 5000, "remaining": 5000, "reset": reset, "used": 0, "resource": "core"});
    let rate = shared.quota.peek(&by).shown();
    let shown = json!({"resources": {"core": rate, "search": whole, "graphql": whole}});
    ok(if version.version == "2022-11-28" { with(shown, json!({"rate": rate})) } else { shown })
}
