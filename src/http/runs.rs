//! One run: how it stands, why, and what it has done.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use uuid::Uuid;

use super::{
    App,
    error::Error,
    extract::Id,
    view::{Assessment, Attempt, Budget, Diff, Effect, Finding, Problem, Run, Why},
};
use crate::{
    core::budget::Scope,
    store::{self, Pool, run::StoredRun},
};

/// A run and all that is known of it in short.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs",
    params(("id" = Uuid, Path), ("If-None-Match" = Option<String>, Header, description = "The ETag of an earlier answer.")),
    responses(
        (status = 200, description = "The run.", body = Run, headers(("ETag" = String, description = "Changes whenever the answer does."))),
        (status = 304, description = "It is as it was."),
        (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(State(app): State<App>, Id(id): Id, headers: HeaderMap) -> Result<Response, Error> {
    let pool = app.engine.pool();
    let spent = store::effect::spent(pool, id).await?;
    let stored = run(pool, id).await?;
    let accounts = store::budget::accounts(pool, id, &stored.spec.product).await?;
    let budget = Budget::of(&accounts, Scope::Run);
    let tag = tag(&stored, spent.calls, &budget);
    let mut response = if is_known(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let view = Run::new(&stored, spent, &app.settings.forge_url);
        Json(Run { budget: Some(budget), ..view }).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The one reason why a run is where it is.
#[utoipa::path(get, path = "/api/v1/runs/{id}/why", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The cause.", body = Why),
    (status = 404, description = "There is no such run.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn why(State(app): State<App>, Id(id): Id) -> Result<Json<Why>, Error> {
    let found = store::standing::with_job(app.engine.pool(), id).await?;
    let (stored, job) = found.ok_or_else(|| Error::no("run", id))?;
    Ok(Json(Why::new(&stored, job.as_ref())))
}

/// Every try of every job of a run, oldest first.
#[utoipa::path(get, path = "/api/v1/runs/{id}/attempts", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The attempts.", body = Vec<Attempt>),
    (status = 404, description = "There is no such run.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn attempts(State(app): State<App>, Id(id): Id) -> Result<Json<Vec<Attempt>>, Error> {
    let pool = app.engine.pool();
    run(pool, id).await?;
    Ok(Json(store::attempt::of_run(pool, id).await?.into_iter().map(Attempt::from).collect()))
}

/// What the reviews of a run found, by review and then worst first.
#[utoipa::path(get, path = "/api/v1/runs/{id}/findings", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The findings.", body = Vec<Finding>),
    (status = 404, description = "There is no such run.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn findings(State(app): State<App>, Id(id): Id) -> Result<Json<Vec<Finding>>, Error> {
    let pool = app.engine.pool();
    run(pool, id).await?;
    Ok(Json(store::review::findings(pool, id).await?.into_iter().map(Finding::from).collect()))
}

/// What the policy said of a run's heads, newest first, at most 100.
#[utoipa::path(get, path = "/api/v1/runs/{id}/assessments", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The assessments.", body = Vec<Assessment>),
    (status = 404, description = "There is no such run.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn assessments(State(app): State<App>, Id(id): Id) -> Result<Json<Vec<Assessment>>, Error> {
    let pool = app.engine.pool();
    run(pool, id).await?;
    Ok(Json(store::assessment::of_run(pool, id).await?.into_iter().map(Assessment::from).collect()))
}

/// What each push of a run changes, oldest first.
#[utoipa::path(get, path = "/api/v1/runs/{id}/diff", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "A diff for each push.", body = Vec<Diff>),
    (status = 404, description = "There is no such run.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn diff(State(app): State<App>, Id(id): Id) -> Result<Json<Vec<Diff>>, Error> {
    let pool = app.engine.pool();
    run(pool, id).await?;
    Ok(Json(store::effect::diffs(pool, id).await?.into_iter().map(Diff::from).collect()))
}

/// The acts of a run on the outside world, oldest first; the diffs of pushes are left out here.
#[utoipa::path(get, path = "/api/v1/runs/{id}/effects", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The effects.", body = Vec<Effect>),
    (status = 404, description = "There is no such run.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn effects(State(app): State<App>, Id(id): Id) -> Result<Json<Vec<Effect>>, Error> {
    let pool = app.engine.pool();
    run(pool, id).await?;
    Ok(Json(store::effect::of_run(pool, id).await?.into_iter().map(Effect::from).collect()))
}

/// The run, or the answer that there is none.
pub(super) async fn run(pool: &Pool, id: Uuid) -> Result<StoredRun, Error> {
    store::run::get(pool, id).await?.ok_or_else(|| Error::no("run", id))
}

/// Spend and budget move within a step, where the version stands still.
fn tag(stored: &StoredRun, calls: i64, budget: &Budget) -> String {
    let limit = |limit: Option<u64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    format!(
        "\"{}-{calls}-{}-{}-{}-{}\"",
        stored.version,
        budget.settled_tokens,
        budget.reserved_tokens,
        limit(budget.tokens),
        limit(budget.micro_dollars)
    )
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}
