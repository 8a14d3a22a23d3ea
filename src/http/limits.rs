//! Limits on how many jobs are held at once, by key.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};

use super::{
    App,
    error::{Error, Kind},
    extract,
    view::{Limit, Most, Problem},
};
use crate::{
    core::limit::{Key, MOST},
    store,
};

/// Every key that has a limit or is held now, by name.
///
/// Known keys: `product:<name>` (the jobs of a product), `model:<provider>` (the steps that call a model
/// provider) and `merge:<owner>/<repo>:<base>` (the merges into a branch: always 1).
#[utoipa::path(get, path = "/api/v1/limits", tag = "limits", responses(
    (status = 200, description = "The limits, and how many jobs are held now.", body = Vec<Limit>),
))]
pub(super) async fn list(State(app): State<App>) -> Result<Json<Vec<Limit>>, Error> {
    let rows = store::limit::list(app.engine.pool()).await?;
    Ok(Json(rows.into_iter().map(Limit::from).collect()))
}

/// Sets how many jobs with a key may be held at once. Jobs that are held already go on.
#[utoipa::path(put, path = "/api/v1/limits/{key}", tag = "limits", request_body = Most,
    params(("key" = String, Path, description = "`product:<name>` or `model:<provider>`, percent-encoded.")),
    responses(
        (status = 200, description = "The limit holds from now on.", body = Most),
        (status = 400, description = "The key is none.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The number does not fit, or this key's limit is fixed.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn put(
    State(app): State<App>,
    key: Result<Path<String>, axum::extract::rejection::PathRejection>,
    extract::Json(limit): extract::Json<Most>,
) -> Result<Json<Most>, Error> {
    let key = changeable(key)?;
    if !(1..=MOST).contains(&limit.most) {
        let detail = format!("must be from 1 to {MOST}; DELETE the limit for any number");
        return Err(Error::new(Kind::Invalid, format!("most {detail}")).at("/most", detail));
    }
    store::limit::put(&mut *app.engine.pool().acquire().await?, &key, limit.most).await?;
    Ok(Json(limit))
}

/// Removes a limit: any number of jobs with the key may be held.
#[utoipa::path(delete, path = "/api/v1/limits/{key}", tag = "limits",
    params(("key" = String, Path, description = "`product:<name>` or `model:<provider>`, percent-encoded.")),
    responses(
        (status = 204, description = "The limit is gone."),
        (status = 400, description = "The key is none.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The key has no limit.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "This key's limit is fixed.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn remove(
    State(app): State<App>,
    key: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<StatusCode, Error> {
    let key = changeable(key)?;
    if store::limit::remove(app.engine.pool(), &key).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Error::no("limit for", format!("`{key}`")))
    }
}

/// The key of the path, if its limit is a person's to change.
fn changeable(key: Result<Path<String>, axum::extract::rejection::PathRejection>) -> Result<Key, Error> {
    let Path(text) = key.map_err(|_| Error::parameter("key", "is not UTF-8"))?;
    let key: Key = text.parse().map_err(|wrong: String| Error::parameter("key", wrong))?;
    match key.fixed() {
        Some(most) => Err(Error::new(
            Kind::Invalid,
            format!(
                "the limit `{key}` is always {most}: two merges into one branch could undo each other's checks"
            ),
        )),
        None => Ok(key),
    }
}
