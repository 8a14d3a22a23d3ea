//! Check runs and commit statuses.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    response::IntoResponse as _,
    routing::{get, post},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    extract::{Body, ByApp, Caller, Named, Numbered, Repo},
    paging::{Query, counted_list, list},
};
use crate::dev::github::{
    answers::{Answer, created, ok},
    checks::{self, CheckFields, CheckFilter},
    refusal::Refusal,
    shared::Shared,
    statuses::{self, NewStatus},
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/repos/{owner}/{repo}/check-runs", post(create))
        .route("/repos/{owner}/{repo}/check-runs/{id}", get(read).patch(update))
        .route("/repos/{owner}/{repo}/check-runs/{id}/annotations", get(annotations))
        .route("/repos/{owner}/{repo}/check-runs/{id}/rerequest", post(rerequest))
        .route("/repos/{owner}/{repo}/commits/{sha}/check-runs", get(of_commit))
        .route("/repos/{owner}/{repo}/commits/{sha}/check-suites", get(suites_of_commit))
        .route("/repos/{owner}/{repo}/check-suites/{id}/check-runs", get(of_suite))
        .route("/repos/{owner}/{repo}/statuses/{sha}", post(set_status))
        .route("/repos/{owner}/{repo}/commits/{sha}/statuses", get(statuses_of_commit))
        .route("/repos/{owner}/{repo}/commits/{sha}/status", get(combined_status))
}

async fn create(
    State(shared): State<Arc<Shared>>,
    ByApp(app): ByApp,
    Repo(repo): Repo,
    Body(fields): Body<CheckFields>,
) -> Answer {
    let turn = shared.host.turn().await;
    let id = checks::create(&turn, &repo, &app, fields).await?;
    created(rendered(&shared, &repo, id)?)
}

async fn read(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Path((_, _, id)): Numbered) -> Answer {
    ok(rendered(&shared, &repo, id)?)
}

async fn update(
    State(shared): State<Arc<Shared>>,
    ByApp(app): ByApp,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
    Body(fields): Body<CheckFields>,
) -> Answer {
    let turn = shared.host.turn().await;
    checks::update(&turn, &repo, &app, id, fields)?;
    ok(rendered(&shared, &repo, id)?)
}

fn rendered(shared: &Shared, repo: &str, id: i64) -> Result<Value, Refusal> {
    let run = checks::one(&shared.host, repo, id)?;
    shared.host.read(repo, |it| shared.links.check_run(it, &run))
}

async fn of_commit(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, name)): Named,
    query: Query,
) -> Answer {
    let sha = shared.host.commit(&repo, &name).await?;
    let filter = CheckFilter {
        all: query.get("filter") == Some("all"),
        name: query.get("check_name"),
        status: query.get("status"),
        app_id: query.get("app_id"),
    };
    let runs = shared.host.read(&repo, |it| {
        let runs = checks::of_commit(it, &sha, &filter);
        runs.into_iter().map(|run| shared.links.check_run(it, run)).collect()
    })?;
    counted_list(&shared.links, &query, "check_runs", runs)
}

async fn of_suite(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
    query: Query,
) -> Answer {
    let runs = shared.host.read(&repo, |it| {
        let suite = it.suites.iter().find(|suite| suite.id == id)?;
        let filter = CheckFilter { all: query.get("filter") == Some("all"), ..CheckFilter::default() };
        let runs = checks::of_commit(it, &suite.head_sha, &filter).into_iter().filter(|run| run.suite == id);
        Some(runs.map(|run| shared.links.check_run(it, run)).collect())
    })?;
    counted_list(&shared.links, &query, "check_runs", runs.ok_or_else(Refusal::not_found)?)
}

async fn suites_of_commit(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, name)): Named,
    query: Query,
) -> Answer {
    let sha = shared.host.commit(&repo, &name).await?;
    let commit = shared.host.git(&repo).latest(&sha, 1).await?;
    let shown = shared.host.read(&repo, |it| {
        let suites = it.suites.iter().filter(|suite| suite.head_sha == sha);
        suites.map(|suite| shared.links.check_suite(it, suite, commit.first())).collect()
    })?;
    counted_list(&shared.links, &query, "check_suites", shown)
}

async fn annotations(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
    query: Query,
) -> Answer {
    let run = checks::one(&shared.host, &repo, id)?;
    let shown = shared.host.read(&repo, |it| {
        run.annotations.iter().map(|sent| shared.links.annotation(it, &run, sent)).collect()
    })?;
    list(&shared.links, &query, shown)
}

async fn rerequest(
    State(shared): State<Arc<Shared>>,
    ByApp(app): ByApp,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
) -> Answer {
    let turn = shared.host.turn().await;
    checks::rerequest(&turn, &repo, &app, id)?;
    Ok((StatusCode::CREATED, axum::Json(json!({}))).into_response())
}

async fn set_status(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, name)): Named,
    Body(new): Body<NewStatus>,
) -> Answer {
    let turn = shared.host.turn().await;
    let status = statuses::set(&turn, &repo, &caller, &name, new).await?;
    created(turn.read(&repo, |it| shared.links.status(it, &status))?)
}

async fn statuses_of_commit(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, name)): Named,
    query: Query,
) -> Answer {
    let sha = shared.host.commit(&repo, &name).await?;
    let shown = shared.host.read(&repo, |it| {
        statuses::of_commit(it, &sha).map(|status| shared.links.status(it, status)).collect()
    })?;
    list(&shared.links, &query, shown)
}

async fn combined_status(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, name)): Named,
    query: Query,
) -> Answer {
    let sha = shared.host.commit(&repo, &name).await?;
    let links = &shared.links;
    ok(shared.host.read(&repo, |it| {
        let (state, latest) = statuses::combined(it, &sha);
        let all: Vec<Value> = latest.into_iter().map(|status| links.simple_status(it, status)).collect();
        let (total, (shown, _)) = (all.len(), query.page(links, all));
        let commit = format!("{}/commits/{sha}", links.api(it));
        json!({
            "state": state, "sha": sha, "total_count": total, "statuses": shown,
            "repository": links.repository(it), "commit_url": commit, "url": format!("{commit}/status"),
        })
    })?)
}
