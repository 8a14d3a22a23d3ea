//! What callers do to a run: pause, resume, cancel, run now, skip, retry, fork.
//!
//! A control that would change nothing answers 200 with the run as it is.

use axum::{
    extract::{FromRequest, FromRequestParts as _, Request},
    http::{HeaderMap, StatusCode},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use super::responses::{InvalidReason, NotFound};
use crate::{
    api::{self, Problem, Run},
    core::workflow,
    engine::Verb,
    http::{
        AppState,
        middleware::{
            caller::Caller,
            error::Error,
            extract::{self, Id, Json},
            idempotency::{Once, Outcome, Reply},
        },
    },
    store::{self, Connection, effect::Spent},
};

/// A control as a caller requests it: the run, the caller, and a body `T` that says how and why.
pub(super) struct Control<T> {
    pub(super) app: AppState,
    pub(super) run: Uuid,
    pub(super) caller: Caller,
    headers: HeaderMap,
    pub(super) body: T,
}

impl<T: DeserializeOwned> FromRequest<AppState> for Control<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let Id(run) = Id::from_request_parts(&mut parts, app).await?;
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let headers = parts.headers.clone();
        let Json(body) = Json::from_request(Request::from_parts(parts, body), app).await?;
        Ok(Self { app: app.clone(), run, caller, headers, body })
    }
}

impl<T: Serialize> Control<T> {
    /// Applies the verb and answers with the run, once for each key.
    async fn apply(&self, name: &str, verb: Verb, reason: &str) -> Result<Outcome, Error> {
        let (app, run, by) = (&self.app, self.run, self.caller.author());
        let (reason, once) = (extract::reason(reason)?, self.once(name)?);
        let pool = app.engine.pool();
        // Read beforehand: a transaction that waits for a second connection can exhaust the pool.
        let spent = store::effect::spent(pool, run).await?;
        once.run(pool, async |tx: &mut Connection| {
            app.engine.control_in(tx, run, &verb, by, &reason).await?;
            Ok(Reply { status: StatusCode::OK, location: None, body: view(app, tx, run, spent).await? })
        })
        .await
    }

    pub(super) fn once(&self, name: &str) -> Result<Once, Error> {
        Once::from_headers(
            &self.headers,
            &self.caller,
            &format!("POST /api/v1/runs/{}/{name}", self.run),
            &self.body,
        )
    }
}

/// Starts nothing more until the run is resumed; an attempt that has begun may finish.
#[utoipa::path(post, path = "/api/v1/runs/{id}/pause", tag = "runs", request_body = api::Control,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, which is paused.", body = Run),
        NotFound,
        (status = 409, description = "The run has ended.", body = Problem, content_type = "application/problem+json"),
        InvalidReason,
    ))]
pub(super) async fn pause(control: Control<api::Control>) -> Result<Outcome, Error> {
    control.apply("pause", Verb::Pause, &control.body.reason).await
}

/// Resumes a paused run.
#[utoipa::path(post, path = "/api/v1/runs/{id}/resume", tag = "runs", request_body = api::Control,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, which goes on.", body = Run),
        NotFound,
        (status = 409, description = "The run has ended.", body = Problem, content_type = "application/problem+json"),
        InvalidReason,
    ))]
pub(super) async fn resume(control: Control<api::Control>) -> Result<Outcome, Error> {
    control.apply("resume", Verb::Resume, &control.body.reason).await
}

/// Cancels a run. A worker that is running its step is stopped, and the step's answer does not count.
#[utoipa::path(post, path = "/api/v1/runs/{id}/cancel", tag = "runs", request_body = api::Control,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, which has ended as cancelled.", body = Run),
        NotFound,
        (status = 409, description = "The run has ended otherwise.", body = Problem, content_type = "application/problem+json"),
        InvalidReason,
    ))]
pub(super) async fn cancel(control: Control<api::Control>) -> Result<Outcome, Error> {
    control.apply("cancel", Verb::Cancel, &control.body.reason).await
}

/// Ends the run's wait: its step is due now.
#[utoipa::path(post, path = "/api/v1/runs/{id}/run-now", tag = "runs", request_body = api::Control,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, whose step is due.", body = Run),
        NotFound,
        (status = 409, description = "A worker is running the step, or the run is paused or has ended.", body = Problem, content_type = "application/problem+json"),
        InvalidReason,
    ))]
pub(super) async fn run_now(control: Control<api::Control>) -> Result<Outcome, Error> {
    control.apply("run-now", Verb::RunNow, &control.body.reason).await
}

/// Answers in place of the run's step. A step that judges or merges cannot be skipped.
#[utoipa::path(post, path = "/api/v1/runs/{id}/skip", tag = "runs", request_body = api::Skip,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, past its step.", body = Run),
        NotFound,
        (status = 409, description = "A worker is running the step, or the run has ended.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason or the outcome is invalid, or the step cannot be skipped.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn skip(control: Control<api::Skip>) -> Result<Outcome, Error> {
    let verb = Verb::Skip(outcome(&control.body.outcome)?);
    control.apply("skip", verb, &control.body.reason).await
}

/// Starts a run again at a step, or where it ended. It keeps what it knows.
#[utoipa::path(post, path = "/api/v1/runs/{id}/retry", tag = "runs", request_body = api::Retry,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, which goes on.", body = Run),
        NotFound,
        (status = 409, description = "A worker is running the step, the run has succeeded, or another run works on its branch.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason is invalid, or the workflow has no such step.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn retry(control: Control<api::Retry>) -> Result<Outcome, Error> {
    let verb = Verb::Retry(control.body.step.clone());
    control.apply("retry", verb, &control.body.reason).await
}

/// Starts a new run of the same requirement, at a step of a run that has ended without being merged.
#[utoipa::path(post, path = "/api/v1/runs/{id}/fork", tag = "runs", request_body = api::Fork,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 201, description = "The new run.", body = Run, headers(("Location" = String, description = "The new run."))),
        NotFound,
        (status = 409, description = "The run has not ended, its change is merged, or another run works on its branch.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason is invalid, or the workflow has no such step.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn fork(control: Control<api::Fork>) -> Result<Outcome, Error> {
    let (app, step, by) = (&control.app, &control.body.step, control.caller.author());
    let (reason, once) = (extract::reason(&control.body.reason)?, control.once("fork")?);
    once.run(app.engine.pool(), async |tx: &mut Connection| {
        let fork = app.engine.fork_in(tx, control.run, step, by, &reason).await?;
        let location = Some(format!("/api/v1/runs/{fork}"));
        let body = view(app, tx, fork, Spent::default()).await?;
        Ok(Reply { status: StatusCode::CREATED, location, body })
    })
    .await
}

/// The run as the transaction leaves it.
pub(super) async fn view(
    app: &AppState,
    tx: &mut Connection,
    id: Uuid,
    spent: Spent,
) -> Result<Value, Error> {
    let stored = store::run::lock(tx, id).await?.ok_or_else(|| Error::not_found("run", id))?;
    Ok(json!(Run::new(&stored, spent, &app.settings.forge_url)))
}

fn outcome(text: &str) -> Result<workflow::Outcome, Error> {
    serde_json::from_value(json!(text)).map_err(|_| {
        Error::field("/outcome", format!("{} is not an outcome of any step", extract::quoted(text)))
    })
}
