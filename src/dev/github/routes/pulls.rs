//! Pull requests.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::{get, put},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    extract::{Body, Caller, Numbered, Repo},
    paging::{Query, list},
};
use crate::dev::github::{
    answers::{Answer, accepted, created, ok},
    mergeability, merges,
    pulls::{self, NewPull, PullChange, PullFilter},
    refusal::Refusal,
    shared::Shared,
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    let one = "/repos/{owner}/{repo}/pulls/{number}";
    Router::new()
        .route("/repos/{owner}/{repo}/pulls", get(find).post(open))
        .route(one, get(read).patch(edit))
        .route(&format!("{one}/files"), get(files))
        .route(&format!("{one}/commits"), get(commits))
        .route(&format!("{one}/update-branch"), put(update_branch))
}

async fn open(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Body(new): Body<NewPull>,
) -> Answer {
    let turn = shared.host.turn().await;
    let number = pulls::open(&turn, &repo, &caller, new).await?;
    created(rendered(&shared, &repo, number).await?)
}

async fn find(State(shared): State<Arc<Shared>>, Repo(repo): Repo, query: Query) -> Answer {
    let state = query.get("state").unwrap_or("open");
    let filter = PullFilter { state, head: query.get("head"), base: query.get("base") };
    let mut found = pulls::find(&shared.host, &repo, &filter).await?;
    if query.get("direction").unwrap_or("desc") == "desc" {
        found.reverse();
    }
    let shown = shared.host.read(&repo, |it| {
        let show = |pull| shared.links.pull_simple(it, pull, &pull.head_sha, &pull.base_sha);
        found.iter().map(show).collect()
    })?;
    list(&shared.links, &query, shown)
}

async fn read(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Path((_, _, number)): Numbered) -> Answer {
    let (pull, comparison) = pulls::current(&shared.host, &repo, number).await?;
    mergeability::look(&shared.host, &repo, &pull, &comparison).await?;
    ok(shared.host.read(&repo, |it| shared.links.pull(it, &pull, &comparison))?)
}

async fn edit(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    Body(change): Body<PullChange>,
) -> Answer {
    let turn = shared.host.turn().await;
    pulls::edit(&turn, &repo, &caller, number, change).await?;
    ok(rendered(&shared, &repo, number).await?)
}

async fn rendered(shared: &Shared, repo: &str, number: i64) -> Result<Value, Refusal> {
    let (pull, comparison) = pulls::current(&shared.host, repo, number).await?;
    shared.host.read(repo, |it| shared.links.pull(it, &pull, &comparison))
}

async fn files(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    query: Query,
) -> Answer {
    let (_, comparison) = pulls::current(&shared.host, &repo, number).await?;
    let head = &comparison.head_sha;
    let files = shared.host.git(&repo).changes(&comparison.base_sha, head).await?;
    let shown =
        shared.host.read(&repo, |it| files.iter().map(|file| shared.links.file(it, head, file)).collect())?;
    list(&shared.links, &query, shown)
}

async fn commits(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    query: Query,
) -> Answer {
    let (_, comparison) = pulls::current(&shared.host, &repo, number).await?;
    let range = format!("{}..{}", comparison.base_sha, comparison.head_sha);
    let commits = shared.host.git(&repo).commits(&range, false).await?;
    let shown = shared
        .host
        .read(&repo, |it| commits.iter().map(|commit| shared.links.commit(it, commit)).collect())?;
    list(&shared.links, &query, shown)
}

#[derive(Deserialize)]
struct UpdateBranch {
    expected_head_sha: Option<String>,
}

async fn update_branch(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    Body(request): Body<UpdateBranch>,
) -> Answer {
    let turn = shared.host.turn().await;
    merges::refuse_update(&turn, &repo, number, request.expected_head_sha.as_deref()).await?;
    drop(turn);
    let (host, name) = (Arc::clone(&shared.host), repo.clone());
    // The commit comes after the answer.
    tokio::spawn(async move {
        let turn = host.turn().await;
        if let Err(refusal) = merges::update_branch(&turn, &name, &caller, number).await {
            tracing::warn!("the branch of {name}#{number} was not updated: {refusal}");
        }
    });
    let url = shared.host.read(&repo, |it| format!("{}/pulls/{number}", shared.links.api(it)))?;
    accepted(json!({"message": "Updating pull request branch.", "url": url}))
}
