//! Issues.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    extract::{Body, Caller, Numbered, Repo},
    paging::{Query, list},
};
use crate::dev::github::{
    answers::{Answer, created, ok},
    issues::{self, IssueFields, NewIssue},
    shared::Shared,
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/repos/{owner}/{repo}/issues", post(open).get(find))
        .route("/repos/{owner}/{repo}/issues/{number}", get(read).patch(update))
        .route("/repos/{owner}/{repo}/issues/{number}/labels", post(label))
}

async fn open(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Body(new): Body<NewIssue>,
) -> Answer {
    let turn = shared.host.turn().await;
    let issue = issues::open(&turn, &repo, &caller, new)?;
    created(turn.read(&repo, |it| shared.links.issue(it, &issue))?)
}

async fn find(State(shared): State<Arc<Shared>>, Repo(repo): Repo, query: Query) -> Answer {
    let labels: Vec<&str> = query.get("labels").map(|text| text.split(',').collect()).unwrap_or_default();
    let shown = shared.host.read(&repo, |it| {
        let state = query.get("state").unwrap_or("open");
        let found = issues::find(it, &labels, query.get("creator"), state);
        found.into_iter().map(|issue| shared.links.issue(it, issue)).collect()
    })?;
    list(&shared.links, &query, shown)
}

async fn read(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Path((_, _, number)): Numbered) -> Answer {
    let issue = issues::one(&shared.host, &repo, number)?;
    ok(shared.host.read(&repo, |it| shared.links.issue(it, &issue))?)
}

async fn update(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    Body(fields): Body<IssueFields>,
) -> Answer {
    let turn = shared.host.turn().await;
    let issue = issues::update(&turn, &repo, &caller, number, fields)?;
    ok(turn.read(&repo, |it| shared.links.issue(it, &issue))?)
}

#[derive(Deserialize)]
struct Labels {
    labels: Vec<String>,
}

async fn label(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    Body(Labels { labels }): Body<Labels>,
) -> Answer {
    let turn = shared.host.turn().await;
    issues::label(&turn, &repo, &caller, number, &labels)?;
    let issue = issues::one(&turn, &repo, number)?;
    let shown = turn.read(&repo, |it| shared.links.issue(it, &issue))?;
    ok(json!(shown["labels"]))
}
