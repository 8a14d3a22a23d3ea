//! What followed the merge of a run's change.

use axum::{Json, extract::State, http::StatusCode};

use super::{
    controls::{Control, view},
    responses::{InvalidReason, NotFound},
    runs::run,
};
use crate::{
    api::{self, AfterMerge, Problem, Run},
    http::{
        AppState, after_merge,
        middleware::{
            error::Error,
            extract::{self, Id},
            idempotency::{Outcome, Reply},
        },
    },
    store::{Connection, effect::Spent},
};

/// What followed the merge of a run's change: where it was deployed, what the base's own checks said, and which run reverts
/// it. Nothing is asked of the forge.
#[utoipa::path(get, path = "/api/v1/runs/{id}/after-merge", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "What is known of it.", body = AfterMerge),
    NotFound,
))]
pub(super) async fn after_merge(State(app): State<AppState>, Id(id): Id) -> Result<Json<AfterMerge>, Error> {
    let stored = run(app.engine.pool(), id).await?;
    Ok(Json(after_merge::of(app.engine.pool(), &stored, &app.settings.forge_url).await?))
}

/// Begins a run that takes back what a merged run changed. Git makes the change, and it goes through the gate like any other.
/// One that lives is answered with 200.
#[utoipa::path(post, path = "/api/v1/runs/{id}/revert", tag = "runs", request_body = api::Control,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 201, description = "The run that reverts it.", body = Run, headers(("Location" = String, description = "That run."))),
        (status = 200, description = "The run that reverts it already.", body = Run),
        NotFound,
        (status = 409, description = "The run's change is not merged, or is reverted.", body = Problem, content_type = "application/problem+json"),
        InvalidReason,
    ))]
pub(super) async fn revert(control: Control<api::Control>) -> Result<Outcome, Error> {
    let (app, by) = (&control.app, control.caller.author());
    let (reason, once) = (extract::reason(&control.body.reason)?, control.once("revert")?);
    once.run(app.engine.pool(), async |tx: &mut Connection| {
        let reverting = app.engine.revert_in(tx, control.run, by, &reason).await?;
        let location = Some(format!("/api/v1/runs/{}", reverting.run));
        let status = if reverting.is_new { StatusCode::CREATED } else { StatusCode::OK };
        Ok(Reply { status, location, body: view(app, tx, reverting.run, Spent::default()).await? })
    })
    .await
}
