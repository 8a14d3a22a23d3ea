//! Holds: one word stops everything, a product, a queue or a worker.

use axum::{Json, extract::State, http::StatusCode};

use crate::{
    api::{Hold, NewHold, Problem, Release, Released},
    core::{access, hold::Scope},
    http::{
        AppState,
        middleware::{caller::Caller, error::Error, extract, problem::Kind},
        scope,
    },
};

/// The most jobs a minute that a release may be spread over.
const MOST_PER_MINUTE: u32 = 6_000;

/// Every hold, the oldest first.
#[utoipa::path(get, path = "/api/v1/holds", tag = "holds", responses(
    (status = 200, description = "The holds.", body = Vec<Hold>),
))]
pub(super) async fn list(State(app): State<AppState>, caller: Caller) -> Result<Json<Vec<Hold>>, Error> {
    let holds = scope::holds(&app, &caller).await?;
    Ok(Json(holds.into_iter().map(Hold::from).collect()))
}

/// Holds a scope. After the response no job of it begins, and nothing of it is merged; attempts that run may end.
///
/// A merge whose order GitHub has already accepted can still happen. Holds outlive restarts.
#[utoipa::path(post, path = "/api/v1/holds", tag = "holds", request_body = NewHold, responses(
    (status = 201, description = "It is held.", body = Hold),
    (status = 200, description = "It was held already; that hold stays as it is.", body = Hold),
    (status = 422, description = "The scope or the reason is invalid.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn put(
    State(app): State<AppState>,
    caller: Caller,
    extract::Json(new): extract::Json<NewHold>,
) -> Result<(StatusCode, Json<Hold>), Error> {
    let scope = scope(&new.scope, &caller)?;
    let reason = extract::reason(&new.reason)?;
    let placed = app.engine.hold(&scope, caller.author(), &reason).await?;
    let status = if placed.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(placed.into())))
}

/// Releases a scope: its jobs may begin again, all at once or so many a minute.
#[utoipa::path(post, path = "/api/v1/holds/release", tag = "holds", request_body = Release, responses(
    (status = 200, description = "It is released.", body = Released),
    (status = 404, description = "It is not held.", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "The scope or the number is invalid.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn release(
    State(app): State<AppState>,
    caller: Caller,
    extract::Json(release): extract::Json<Release>,
) -> Result<Json<Released>, Error> {
    let scope = scope(&release.scope, &caller)?;
    if release.per_minute.is_some_and(|many| !(1..=MOST_PER_MINUTE).contains(&many)) {
        let detail = format!("must be from 1 to {MOST_PER_MINUTE}; leave it out to release all at once");
        return Err(Error::new(Kind::Invalid, format!("per_minute {detail}")).at("/per_minute", detail));
    }
    let due = app.engine.release(&scope, release.per_minute, caller.author()).await?;
    let due = due.ok_or_else(|| Error::not_found("hold of", format!("`{scope}`")))?;
    Ok(Json(Released { scope: scope.to_string(), due }))
}

/// A scope that is the caller's: a key that is limited to products holds those, each by itself, and nothing else.
fn scope(text: &str, caller: &Caller) -> Result<Scope, Error> {
    let scope: Scope = text.parse().map_err(|wrong: crate::core::hold::NoScope| {
        let detail = wrong.to_string();
        Error::new(Kind::Invalid, detail.clone()).at("/scope", detail)
    })?;
    let Some(names) = caller.principal().products.names() else { return Ok(scope) };
    if matches!(&scope, Scope::Product(name) if caller.has(name.as_str())) {
        return Ok(scope);
    }
    Err(Error::new(Kind::Forbidden, access::Denied::Limited(names.join(", ")).to_string()))
}
