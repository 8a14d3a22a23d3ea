//! The look back at a run that has ended.

use axum::{Json, extract::State};

use super::{responses::NotFound, runs::run};
use crate::{
    api::LookBack,
    http::{
        AppState, look_back,
        middleware::{caller::Caller, error::Error, extract::Id},
    },
};

/// What a run that has ended teaches: its rounds, what was for nothing, where the time went, and what would have avoided it. It
/// is made a moment after the end, and again when something is learnt later, such as an incident.
#[utoipa::path(get, path = "/api/v1/runs/{id}/look-back", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The look back, or why there is none.", body = LookBack),
    NotFound,
))]
pub(super) async fn look_back(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<LookBack>, Error> {
    let stored = run(app.engine.pool(), id).await?;
    Ok(Json(look_back::of(app.engine.pool(), &stored, &caller).await?))
}
