//! Limits on how many jobs run at once, by key.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
};

use crate::{
    api::{Limit, Most, Problem},
    core::limit::{Key, MOST},
    http::{
        AppState,
        middleware::{caller::Caller, error::Error, extract, problem::Kind},
        scope,
    },
    store,
};

/// The key in the path, whose limit may be changed.
pub(super) struct Changeable(Key);

/// Every key that has a limit or a running job, by name.
///
/// The keys are `product:<name>` (the jobs of a product), `model:<provider>` (the steps that call a model
/// provider) and `merge:<owner>/<repo>:<base>` (the merges into a branch: always 1).
#[utoipa::path(get, path = "/api/v1/limits", tag = "limits", responses(
    (status = 200, description = "The limits, and how many jobs are running now.", body = Vec<Limit>),
))]
pub(super) async fn list(State(app): State<AppState>, caller: Caller) -> Result<Json<Vec<Limit>>, Error> {
    let rows = store::limit::list(app.engine.pool()).await?;
    let rows = rows.into_iter().filter(|row| scope::has_limit(&caller, &row.key));
    Ok(Json(rows.map(Limit::from).collect()))
}

/// Limits how many jobs with a key may run at once. Jobs that are running already continue.
#[utoipa::path(put, path = "/api/v1/limits/{key}", tag = "limits", request_body = Most,
    params(("key" = String, Path, pattern = "^(product:[a-z][a-z0-9-]{0,39}|model:[a-z0-9-]+|merge:.+)$", description = "`product:<name>` or `model:<provider>`, percent-encoded.")),
    responses(
        (status = 200, description = "The limit is set.", body = Most),
        (status = 400, description = "Invalid key.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The number is invalid, or this key's limit is fixed.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn put(
    State(app): State<AppState>,
    caller: Caller,
    Changeable(key): Changeable,
    extract::Json(limit): extract::Json<Most>,
) -> Result<Json<Most>, Error> {
    if !(1..=MOST).contains(&limit.most) {
        let detail = format!("must be from 1 to {MOST}; to allow any number, DELETE the limit");
        return Err(Error::new(Kind::Invalid, format!("most {detail}")).at("/most", detail));
    }
    app.engine.set_limit(&key, limit.most, caller.author()).await?;
    Ok(Json(limit))
}

/// Removes a limit: any number of jobs with the key may run.
#[utoipa::path(delete, path = "/api/v1/limits/{key}", tag = "limits",
    params(("key" = String, Path, pattern = "^(product:[a-z][a-z0-9-]{0,39}|model:[a-z0-9-]+|merge:.+)$", description = "`product:<name>` or `model:<provider>`, percent-encoded.")),
    responses(
        (status = 204, description = "The limit is removed."),
        (status = 400, description = "Invalid key.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The key has no limit.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "This key's limit is fixed.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn remove(
    State(app): State<AppState>,
    caller: Caller,
    Changeable(key): Changeable,
) -> Result<StatusCode, Error> {
    if app.engine.remove_limit(&key, caller.author()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Error::not_found("limit for", format!("`{key}`")))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Changeable {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let key = extract::path(parts, state, "key").await?.parse::<Key>();
        let key = key.map_err(|wrong| Error::parameter("key", wrong))?;
        match key.fixed() {
            None => Ok(Self(key)),
            Some(most) => {
                let reason = "two merges into one branch could undo each other's checks";
                Err(Error::new(Kind::Invalid, format!("the limit `{key}` is always {most}: {reason}")))
            }
        }
    }
}
