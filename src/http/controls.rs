//! What callers do to a run: pause, resume, cancel, run now, skip, retry, fork.
//!
//! Asking again for what is so already answers 200 with the run and changes nothing.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    App,
    error::{Error, Kind},
    extract::{Id, Json},
    idempotent::{Fresh, Once},
    view::{Control, Fork, Problem, Retry, Run, Skip},
};
use crate::{
    core::{reason::Reason, workflow::Outcome},
    engine::Verb,
    store::{self, Connection, effect::Spent},
};

/// Who a caller of the API is in the history.
const ACTOR: &str = "api";

/// Lets nothing more begin until the run is resumed; an attempt that has begun may finish.
#[utoipa::path(post, path = "/api/v1/runs/{id}/pause", tag = "runs", request_body = Control,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, which is paused.", body = Run),
        (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has ended.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason does not fit.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn pause(
    State(app): State<App>,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json<Control>,
) -> Result<Response, Error> {
    control(&app, id, &headers, "pause", Verb::Pause, &body, &body.reason).await
}

/// Lets a paused run go on.
#[utoipa::path(post, path = "/api/v1/runs/{id}/resume", tag = "runs", request_body = Control,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, which goes on.", body = Run),
        (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has ended.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason does not fit.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn resume(
    State(app): State<App>,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json<Control>,
) -> Result<Response, Error> {
    control(&app, id, &headers, "resume", Verb::Resume, &body, &body.reason).await
}

/// Ends a run; a worker that is at it is stopped, and its answer does not count.
#[utoipa::path(post, path = "/api/v1/runs/{id}/cancel", tag = "runs", request_body = Control,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, which has ended as cancelled.", body = Run),
        (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has ended otherwise.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason does not fit.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn cancel(
    State(app): State<App>,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json<Control>,
) -> Result<Response, Error> {
    control(&app, id, &headers, "cancel", Verb::Cancel, &body, &body.reason).await
}

/// Ends the run's wait: its step is due now.
#[utoipa::path(post, path = "/api/v1/runs/{id}/run-now", tag = "runs", request_body = Control,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, whose step is due.", body = Run),
        (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "A worker is at it, or it is paused or has ended.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason does not fit.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn run_now(
    State(app): State<App>,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json<Control>,
) -> Result<Response, Error> {
    control(&app, id, &headers, "run-now", Verb::RunNow, &body, &body.reason).await
}

/// Answers in the place of the run's step. What judges or merges cannot be skipped.
#[utoipa::path(post, path = "/api/v1/runs/{id}/skip", tag = "runs", request_body = Skip,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, past its step.", body = Run),
        (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "A worker is at it, or it has ended.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason or the outcome does not fit, or the step cannot be skipped.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn skip(
    State(app): State<App>,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json<Skip>,
) -> Result<Response, Error> {
    let verb = Verb::Skip(outcome(&body.outcome)?);
    control(&app, id, &headers, "skip", verb, &body, &body.reason).await
}

/// Lets a run begin again at a step, or where it ended. What it has come to know is kept.
#[utoipa::path(post, path = "/api/v1/runs/{id}/retry", tag = "runs", request_body = Retry,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, which goes on.", body = Run),
        (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "A worker is at it, it has succeeded, or another run works on its branch.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason does not fit, or there is no such step.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn retry(
    State(app): State<App>,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json<Retry>,
) -> Result<Response, Error> {
    let verb = Verb::Retry(body.step.clone());
    control(&app, id, &headers, "retry", verb, &body, &body.reason).await
}

/// Begins a new run of the same requirement at a step of one that has ended and is not merged.
#[utoipa::path(post, path = "/api/v1/runs/{id}/fork", tag = "runs", request_body = Fork,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 201, description = "The new run.", body = Run, headers(("Location" = String, description = "The new run."))),
        (status = 404, description = "There is no such run.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has not ended, its change is merged, or another run works on its branch.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason does not fit, or there is no such step.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn fork(
    State(app): State<App>,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json<Fork>,
) -> Result<Response, Error> {
    let reason = reason(&body.reason)?;
    let once = Once::read(&headers, format!("POST /api/v1/runs/{id}/fork"), &body)?;
    let pool = app.engine.pool();
    if let Some(response) = once.earlier(pool).await? {
        return Ok(response);
    }
    let mut tx = pool.begin().await?;
    let fork = app.engine.fork_in(&mut tx, id, &body.step, ACTOR, &reason).await?;
    let location = Some(format!("/api/v1/runs/{fork}"));
    let body = view(&app, &mut tx, fork, Spent::default()).await?;
    if let Some(response) = once.keep(&mut tx, Fresh { status: StatusCode::CREATED, location, body }).await? {
        tx.commit().await?;
        return Ok(response);
    }
    tx.rollback().await?;
    once.settled(pool).await
}

async fn control(
    app: &App,
    id: Uuid,
    headers: &HeaderMap,
    name: &str,
    verb: Verb,
    body: &impl Serialize,
    why: &str,
) -> Result<Response, Error> {
    let reason = reason(why)?;
    let once = Once::read(headers, format!("POST /api/v1/runs/{id}/{name}"), body)?;
    let pool = app.engine.pool();
    if let Some(response) = once.earlier(pool).await? {
        return Ok(response);
    }
    // Asked beforehand: who holds a transaction does not wait for a second connection.
    let spent = store::effect::spent(pool, id).await?;
    let mut tx = pool.begin().await?;
    app.engine.control_in(&mut tx, id, &verb, ACTOR, &reason).await?;
    let body = view(app, &mut tx, id, spent).await?;
    if let Some(response) = once.keep(&mut tx, Fresh { status: StatusCode::OK, location: None, body }).await?
    {
        tx.commit().await?;
        return Ok(response);
    }
    tx.rollback().await?;
    once.settled(pool).await
}

/// The run as the transaction leaves it.
async fn view(app: &App, tx: &mut Connection, id: Uuid, spent: Spent) -> Result<serde_json::Value, Error> {
    let stored = store::run::lock(tx, id).await?.ok_or_else(|| Error::no("run", id))?;
    Ok(json!(Run::new(&stored, spent, &app.settings.forge_url)))
}

/// A reason, or what is wrong with it.
pub(super) fn reason(text: &str) -> Result<Reason, Error> {
    text.parse().map_err(|wrong: crate::core::requirement::Invalid| {
        Error::new(Kind::Invalid, format!("the reason {}", wrong.message)).at("/reason", wrong.message)
    })
}

fn outcome(text: &str) -> Result<Outcome, Error> {
    serde_json::from_value(json!(text)).map_err(|_| {
        let shown: String = text.chars().take(60).collect();
        let detail = format!("{shown:?} is no outcome of any step");
        Error::new(Kind::Invalid, detail.clone()).at("/outcome", detail)
    })
}
