//! All records of a run, to be kept elsewhere.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::TryStreamExt as _;

use super::{responses::NotFound, runs};
use crate::{
    http::{
        AppState,
        middleware::{error::Error, extract::Id},
    },
    store::archive,
};

/// All records of a run, one a line as JSON: `{"fact": "event", "row": {…}}`.
///
/// The run comes first, with its folded state, then its requirement, its graph and its history, then the
/// rest. The last line is `{"fact": "end", …}` and counts the others: without it the response was cut off.
#[utoipa::path(get, path = "/api/v1/runs/{id}/export", tag = "runs", operation_id = "export", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The records, one a line.", body = String, content_type = "application/x-ndjson"),
    NotFound,
))]
pub(super) async fn show(State(app): State<AppState>, Id(id): Id) -> Result<Response, Error> {
    let pool = app.engine.pool();
    runs::run(pool, id).await?;
    let lines = archive::of_run(pool.clone(), id).map_ok(|line| Bytes::from(line + "\n"));
    // An error breaks the connection, so that a partial export is not taken for a complete one.
    let lines = lines.inspect_err(move |error| {
        tracing::warn!(run.id = %id, %error, "an export was cut off: {error}");
    });
    let mut response = Body::from_stream(lines).into_response();
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
