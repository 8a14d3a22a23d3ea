//! Whether the server lives, whether it is ready, and what its problems mean.

use axum::{Json, extract::Path, extract::State};
use serde_json::{Value, json};

use super::{
    App,
    error::{Error, KINDS, Kind},
};
use crate::store;

/// Whether the process runs at all; asks nobody else.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "The process runs.")))]
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether requests can be served: the database answers.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "Requests can be served."),
    (status = 503, description = "The database does not answer.", body = super::view::Problem, content_type = "application/problem+json"),
))]
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Value>, Error> {
    store::ping(app.engine.pool()).await.map_err(|error| {
        tracing::warn!(%error, "the database did not answer a ping");
        Error::new(Kind::Unavailable, "the database does not answer")
    })?;
    Ok(Json(json!({ "status": "ok" })))
}

/// What a kind of problem means and what to do.
pub(super) async fn problem(Path(code): Path<String>) -> Result<Json<Value>, Error> {
    let known = KINDS.iter().map(|kind| kind.row()).find(|row| row.0 == code);
    let Some((code, status, title, remedy)) = known else {
        return Err(Error::new(Kind::NotFound, "there is no such kind of problem"));
    };
    Ok(Json(json!({ "code": code, "status": status.as_u16(), "title": title, "remedy": remedy })))
}
