//! Whether the server is alive and ready.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use crate::{
    api::Problem,
    http::{
        AppState,
        middleware::{error::Error, problem::Kind},
    },
    store,
};

/// Whether the process runs; it depends on nothing else.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "The process runs.")))]
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether requests can be served: the database answers.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "Requests can be served; `down` lists the providers that runs wait for."),
    (status = 503, description = "The database does not answer.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn ready(State(app): State<AppState>) -> Result<Json<Value>, Error> {
    store::ping(app.engine.pool()).await.map_err(|error| {
        tracing::warn!(%error, "the database did not answer a ping");
        Error::new(Kind::Unavailable, "the database does not answer")
    })?;
    // Runs wait for these, and requests do not.
    let down = store::outage::list(app.engine.pool()).await.unwrap_or_default();
    let down: Vec<Value> =
        down.iter().map(|one| json!({ "provider": one.provider, "since": one.since })).collect();
    Ok(Json(json!({ "status": "ok", "down": down })))
}
