//! Workflow runs, jobs, logs and re-runs.

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
    extract::{Numbered, Repo},
    paging::{Query, counted_list},
};
use crate::dev::github::{
    actions,
    answers::{Answer, ok},
    ci, logs,
    refusal::Refusal,
    shared::Shared,
    state::WorkflowRun,
    suites,
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/repos/{owner}/{repo}/actions/runs", get(runs))
        .route("/repos/{owner}/{repo}/actions/runs/{id}", get(run))
        .route("/repos/{owner}/{repo}/actions/runs/{id}/jobs", get(jobs))
        .route("/repos/{owner}/{repo}/actions/runs/{id}/rerun-failed-jobs", post(rerun_failed_jobs))
        .route("/repos/{owner}/{repo}/actions/jobs/{id}", get(job))
        .route("/repos/{owner}/{repo}/actions/jobs/{id}/logs", get(job_logs))
}

async fn runs(State(shared): State<Arc<Shared>>, Repo(repo): Repo, query: Query) -> Answer {
    let wanted = |run: &&WorkflowRun| {
        let fits = |name: &str, value: Option<&str>| query.get(name).is_none_or(|it| Some(it) == value);
        fits("head_sha", Some(&run.head_sha))
            && fits("branch", run.head_branch.as_deref())
            && query.get("status").is_none_or(|it| it == run.status || Some(it) == run.conclusion.as_deref())
    };
    let shown = shared.host.read(&repo, |it| {
        let runs = it.workflow_runs.iter().rev().filter(wanted);
        runs.map(|run| shared.links.workflow_run(it, run)).collect()
    })?;
    counted_list(&shared.links, &query, "workflow_runs", shown)
}

async fn run(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Path((_, _, id)): Numbered) -> Answer {
    let shown =
        shared.host.read(&repo, |it| it.workflow_run(id).map(|run| shared.links.workflow_run(it, run)))?;
    ok(shown.ok_or_else(Refusal::not_found)?)
}

async fn jobs(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
    query: Query,
) -> Answer {
    let shown: Option<Vec<Value>> = shared.host.read(&repo, |it| {
        let run = it.workflow_run(id)?;
        let jobs = suites::latest(it, run.suite);
        Some(jobs.into_iter().map(|job| shared.links.job(it, run, job)).collect())
    })?;
    counted_list(&shared.links, &query, "jobs", shown.ok_or_else(Refusal::not_found)?)
}

async fn job(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Path((_, _, id)): Numbered) -> Answer {
    let shown = shared.host.read(&repo, |it| {
        let job = it.check_runs.iter().find(|run| run.id == id)?;
        let run = it.workflow_runs.iter().find(|run| run.suite == job.suite)?;
        Some(shared.links.job(it, run, job))
    })?;
    ok(shown.ok_or_else(Refusal::not_found)?)
}

/// 302 to a link that lives for a minute. 404 while a job is not over.
async fn job_logs(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Path((_, _, id)): Numbered) -> Answer {
    let has_log = shared.host.read(&repo, |it| {
        it.check_runs.iter().any(|run| run.id == id && run.log.is_some() && run.status == "completed")
    })?;
    if !has_log {
        return Err(Refusal::not_found());
    }
    let link = logs::link(&shared, &repo, id);
    Ok((StatusCode::FOUND, [("location", link)]).into_response())
}

async fn rerun_failed_jobs(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
) -> Answer {
    let turn = shared.host.turn().await;
    actions::rerun_failed_jobs(&turn, &repo, id)?;
    drop(turn);
    ci::work(&shared.host, &repo, id);
    Ok((StatusCode::CREATED, axum::Json(json!({}))).into_response())
}
