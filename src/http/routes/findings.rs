//! The findings of a run's reviews, and their dismissal by people.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
};
use uuid::Uuid;

use super::{
    responses::{InvalidReason, NotFound},
    runs,
};
use crate::{
    api::{self, Finding, Problem},
    http::{
        AppState,
        middleware::{
            caller::Caller,
            error::Error,
            extract::{self, Id},
        },
    },
    store,
};

/// The finding in the path.
pub(super) struct Named {
    run: Uuid,
    fingerprint: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path((run, fingerprint)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::parameter("id", "is not UTF-8"))?;
        let Id(run) = Id::parse(&run)?;
        Ok(Self { run, fingerprint })
    }
}

/// What the reviews of a run found, by review, worst first.
#[utoipa::path(get, path = "/api/v1/runs/{id}/findings", tag = "runs", operation_id = "findings", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The findings.", body = Vec<Finding>),
    NotFound,
))]
pub(super) async fn list(State(app): State<AppState>, Id(id): Id) -> Result<Json<Vec<Finding>>, Error> {
    let pool = app.engine.pool();
    runs::run(pool, id).await?;
    Ok(Json(store::review::findings(pool, id).await?.into_iter().map(Finding::from).collect()))
}

/// Dismisses an open finding on every head of the run. It no longer blocks, and stays dismissed when a later
/// review finds it again. A finding that is not open stays as it is.
#[utoipa::path(post, path = "/api/v1/runs/{id}/findings/{fingerprint}/dismiss", tag = "runs",
    request_body = api::Control,
    params(("id" = Uuid, Path), ("fingerprint" = String, Path, description = "The finding's fingerprint.")),
    responses(
        (status = 200, description = "The finding on each head that has it.", body = Vec<Finding>),
        NotFound,
        (status = 409, description = "A worker is running the step: wait for its answer.", body = Problem, content_type = "application/problem+json"),
        InvalidReason,
    ))]
pub(super) async fn dismiss(
    State(app): State<AppState>,
    caller: Caller,
    named: Named,
    extract::Json(body): extract::Json<api::Control>,
) -> Result<Json<Vec<Finding>>, Error> {
    let (pool, Named { run, fingerprint }) = (app.engine.pool(), named);
    runs::run(pool, run).await?;
    let reason = extract::reason(&body.reason)?;
    let named = |row: &store::review::Row| row.fingerprint == fingerprint;
    let of_run = |rows: Vec<store::review::Row>| -> Vec<Finding> {
        rows.into_iter().filter(|row| row.fingerprint == fingerprint).map(Finding::from).collect()
    };
    let found = store::review::findings(pool, run).await?.into_iter().find(named);
    let found = found.ok_or_else(|| Error::not_found("finding", &fingerprint))?;
    app.engine.dismiss(run, caller.author(), (&fingerprint, &found.in_words()), &reason).await?;
    Ok(Json(of_run(store::review::findings(pool, run).await?)))
}
