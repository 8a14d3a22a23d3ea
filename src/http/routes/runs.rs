//! One run: its state, why it is in it, and what it has done.

use std::fmt::Debug;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::responses::NotFound;
use crate::{
    api::{Action, Assessment, Attempt, Budget, Diff, Effect, JudgedBy, Run, TestRun, Why},
    core::{budget::Scope, opinion::Opinion, subject::Subject},
    http::{
        AppState,
        middleware::{
            caller::Caller,
            error::Error,
            extract::{Id, Query},
            problem::Kind,
        },
    },
    store::{self, Pool, run::StoredRun},
};

/// A run in summary.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs",
    params(("id" = Uuid, Path), ("If-None-Match" = Option<String>, Header, description = "The ETag of an earlier response.")),
    responses(
        (status = 200, description = "The run.", body = Run, headers(("ETag" = String, description = "Changes whenever the response does."))),
        (status = 304, description = "The run has not changed."),
        NotFound,
    ))]
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let pool = app.engine.pool();
    let spent = store::effect::spent(pool, id).await?;
    let Some((stored, job)) = store::standing::with_job(pool, id).await? else {
        return Err(missing(pool, id).await?);
    };
    let offer = app.engine.offer(&stored, job.map(|job| job.state)).await?;
    let said = store::opinion::latest(pool, id).await?;
    let is_theirs =
        |row: &store::opinion::Row| row.person == caller.actor() && row.opinion() != Opinion::Withdraw;
    let actions = Action::of(&offer, caller.principal(), said.iter().any(is_theirs));
    let accounts = store::budget::accounts(pool, id, &stored.spec.product).await?;
    let budget = Budget::of(&accounts, Scope::Run);
    let view = about(pool, &stored, Run::new(&stored, spent, &app.settings.forge_url)).await?;
    let tag = tag(&stored, spent.calls, &budget, &(&actions, &view.judged_by));
    let mut response = if is_known(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(Run { budget: Some(budget), actions: Some(actions), ..view }).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The view with what the run is about: its title, and of a pull request that others opened, by whom and how it is judged.
async fn about(pool: &Pool, stored: &StoredRun, view: Run) -> Result<Run, Error> {
    let id = match stored.spec.subject {
        Subject::Requirement(id) => {
            let title = store::requirement::get(pool, id).await?.map(|row| row.title);
            return Ok(Run { title, ..view });
        }
        Subject::Gap(id) => {
            let row = store::gap::get(pool, id).await?;
            return Ok(Run { title: row.map(|row| row.title), gap_id: Some(id), ..view });
        }
        Subject::Pull(id) => id,
    };
    let Some(row) = store::pull::get(pool, id).await? else { return Ok(view) };
    let by = judged_by(pool, stored, &row).await?;
    Ok(Run { title: Some(row.title), author: row.author_login, judged_by: Some(by), ..view })
}

/// By which products' settings a pull request is judged now.
async fn judged_by(pool: &Pool, stored: &StoredRun, row: &store::pull::Row) -> Result<JudgedBy, Error> {
    let (repository, base) = (&stored.spec.repository, &stored.spec.base_branch);
    Ok((&store::judged_by::read(pool, repository, base, row.products.as_deref()).await?).into())
}

/// The one reason why a run is in its state.
#[utoipa::path(get, path = "/api/v1/runs/{id}/why", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The cause.", body = Why),
    NotFound,
))]
pub(super) async fn why(State(app): State<AppState>, Id(id): Id) -> Result<Json<Why>, Error> {
    let pool = app.engine.pool();
    let Some((stored, job)) = store::standing::with_job(pool, id).await? else {
        return Err(missing(pool, id).await?);
    };
    Ok(Json(Why::new(&stored, job.as_ref())))
}

/// The attempts at the jobs of a run, oldest first, a page at a time.
#[utoipa::path(get, path = "/api/v1/runs/{id}/attempts", tag = "runs",
    params(
        ("id" = Uuid, Path),
        ("after" = Option<String>, Query, description = "Only attempts after this one, given as `<turn>.<attempt>`.", example = "12.1"),
        ("limit" = Option<i32>, Query, description = "1 to 1000 attempts a page; default 100.", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "A page of attempts; Link rel=next leads to the next one.", body = Vec<Attempt>),
        NotFound,
    ))]
pub(super) async fn attempts(
    State(app): State<AppState>,
    Id(id): Id,
    query: Query,
) -> Result<Response, Error> {
    let query = query.only(&["after", "limit"])?;
    let limit = query.number("limit", 1, 1000, 100)?;
    let after = query.text("after").map_or(Ok((0, 0)), attempt)?;
    let pool = app.engine.pool();
    run(pool, id).await?;
    let mut rows = store::attempt::after(pool, id, after, i64::from(limit) + 1).await?;
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| has_more).map(|row| {
        format!("</api/v1/runs/{id}/attempts?after={}.{}&limit={limit}>; rel=\"next\"", row.turn, row.attempt)
    });
    let mut response = Json(rows.into_iter().map(Attempt::from).collect::<Vec<_>>()).into_response();
    if let Some(link) = next.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Reads `<turn>.<attempt>`.
fn attempt(text: &str) -> Result<(i32, i32), Error> {
    let read =
        || text.split_once('.').and_then(|(turn, attempt)| Some((turn.parse().ok()?, attempt.parse().ok()?)));
    read()
        .ok_or_else(|| Error::parameter("after", "must be an attempt as `<turn>.<attempt>`, such as `12.1`"))
}

/// The policy's assessments of a run's heads, newest first, at most 100.
#[utoipa::path(get, path = "/api/v1/runs/{id}/assessments", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The assessments.", body = Vec<Assessment>),
    NotFound,
))]
pub(super) async fn assessments(
    State(app): State<AppState>,
    Id(id): Id,
) -> Result<Json<Vec<Assessment>>, Error> {
    let pool = app.engine.pool();
    run(pool, id).await?;
    Ok(Json(store::assessment::of_run(pool, id).await?.into_iter().map(Assessment::from).collect()))
}

/// The changes of each push of a run, oldest first.
#[utoipa::path(get, path = "/api/v1/runs/{id}/diff", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "A diff for each push.", body = Vec<Diff>),
    NotFound,
))]
pub(super) async fn diff(State(app): State<AppState>, Id(id): Id) -> Result<Json<Vec<Diff>>, Error> {
    let pool = app.engine.pool();
    run(pool, id).await?;
    Ok(Json(store::effect::diffs(pool, id).await?.into_iter().map(Diff::from).collect()))
}

/// Our own runs of the product's tests, newest first, at most 200.
#[utoipa::path(get, path = "/api/v1/runs/{id}/tests", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The runs of the tests, with the end of their output.", body = Vec<TestRun>),
    NotFound,
))]
pub(super) async fn tests(State(app): State<AppState>, Id(id): Id) -> Result<Json<Vec<TestRun>>, Error> {
    let pool = app.engine.pool();
    run(pool, id).await?;
    Ok(Json(store::test_run::of_run(pool, id).await?.into_iter().map(TestRun::from).collect()))
}

/// The external effects of a run, oldest first, without the diffs of its pushes.
#[utoipa::path(get, path = "/api/v1/runs/{id}/effects", tag = "runs", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The effects.", body = Vec<Effect>),
    NotFound,
))]
pub(super) async fn effects(State(app): State<AppState>, Id(id): Id) -> Result<Json<Vec<Effect>>, Error> {
    let pool = app.engine.pool();
    run(pool, id).await?;
    Ok(Json(store::effect::of_run(pool, id).await?.into_iter().map(Effect::from).collect()))
}

/// The run, or a 404.
pub(super) async fn run(pool: &Pool, id: Uuid) -> Result<StoredRun, Error> {
    match store::run::get(pool, id).await? {
        Some(stored) => Ok(stored),
        None => Err(missing(pool, id).await?),
    }
}

/// That a run does not exist; for the id of a requirement it names the requirement's run.
async fn missing(pool: &Pool, id: Uuid) -> Result<Error, Error> {
    Ok(match store::requirement::get(pool, id).await? {
        Some(row) => Error::new(Kind::NotFound, format!("{id} is a requirement; its run is {}", row.run_id)),
        None => Error::not_found("run", id),
    })
}

/// Spend, budget, and the rest, what the caller can do and how a pull request is judged, are part of it, since they change
/// within a step while the version does not.
fn tag(stored: &StoredRun, calls: i64, budget: &Budget, rest: &impl Debug) -> String {
    let limit = |limit: Option<u64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    format!(
        "\"{}-{calls}-{}-{}-{}-{}-{}\"",
        stored.version,
        budget.settled_tokens,
        budget.reserved_tokens,
        limit(budget.tokens),
        limit(budget.micro_dollars),
        hex::encode(&Sha256::digest(format!("{rest:?}"))[..4])
    )
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}
