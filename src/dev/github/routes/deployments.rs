//! Deployments.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use serde_json::json;

use super::{
    extract::{Body, Caller, Numbered, Repo},
    paging::{Query, list},
};
use crate::dev::github::{
    answers::{Answer, accepted, created, ok},
    deployments::{self, Made, NewDeployment, NewStatus},
    shared::Shared,
    state::Deployment,
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/repos/{owner}/{repo}/deployments", get(all).post(create))
        .route("/repos/{owner}/{repo}/deployments/{id}", get(read))
        .route("/repos/{owner}/{repo}/deployments/{id}/statuses", get(statuses).post(set))
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Body(new): Body<NewDeployment>,
) -> Answer {
    let turn = shared.host.turn().await;
    match deployments::create(&turn, &repo, &caller, new).await? {
        Made::Deployment(made) => created(turn.read(&repo, |it| shared.links.deployment(it, &made))?),
        Made::Merged(message) => accepted(json!({"message": message})),
    }
}

async fn all(State(shared): State<Arc<Shared>>, Repo(repo): Repo, query: Query) -> Answer {
    let fits = |name: &str, value: &str| query.get(name).is_none_or(|wanted| wanted == value);
    let is_wanted = |it: &&Deployment| {
        fits("sha", &it.sha)
            && fits("ref", &it.name)
            && fits("task", &it.task)
            && fits("environment", &it.environment)
    };
    let shown = shared.host.read(&repo, |it| {
        let wanted = it.deployments.iter().rev().filter(is_wanted);
        wanted.map(|deployment| shared.links.deployment(it, deployment)).collect()
    })?;
    list(&shared.links, &query, shown)
}

async fn read(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Path((_, _, id)): Numbered) -> Answer {
    let deployment = deployments::one(&shared.host, &repo, id)?;
    ok(shared.host.read(&repo, |it| shared.links.deployment(it, &deployment))?)
}

async fn set(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
    Body(new): Body<NewStatus>,
) -> Answer {
    let turn = shared.host.turn().await;
    let status = deployments::set(&turn, &repo, &caller, id, new)?;
    created(turn.read(&repo, |it| shared.links.deployment_status(it, &status))?)
}

async fn statuses(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
    query: Query,
) -> Answer {
    deployments::one(&shared.host, &repo, id)?;
    let shown = shared.host.read(&repo, |it| {
        let of = it.deployment_statuses.iter().rev().filter(|status| status.deployment == id);
        of.map(|status| shared.links.deployment_status(it, status)).collect()
    })?;
    list(&shared.links, &query, shown)
}
