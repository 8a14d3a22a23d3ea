//! Repositories, branches, commits and people.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    extract::{Named, Repo},
    paging::{Query, list},
};
use crate::dev::github::{
    answers::{Answer, ok},
    git::EMPTY_TREE,
    pulls,
    refusal::Refusal,
    render::with,
    shared::Shared,
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/repos/{owner}/{repo}", get(repository))
        .route("/repos/{owner}/{repo}/git/ref/{*reference}", get(reference))
        .route("/repos/{owner}/{repo}/contents/{*path}", get(content))
        .route("/repos/{owner}/{repo}/commits/{sha}", get(commit))
        .route("/repos/{owner}/{repo}/commits/{sha}/pulls", get(pulls_of_commit))
        .route("/repos/{owner}/{repo}/collaborators/{user}/permission", get(permission))
}

async fn repository(State(shared): State<Arc<Shared>>, Repo(repo): Repo) -> Answer {
    ok(shared.host.read(&repo, |it| shared.links.repository(it))?)
}

async fn reference(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, reference)): Named,
) -> Answer {
    let branch = reference.strip_prefix("heads/").ok_or_else(Refusal::not_found)?;
    let sha = shared.host.git(&repo).branch(branch).await?.ok_or_else(Refusal::not_found)?;
    ok(shared.host.read(&repo, |it| shared.links.reference(it, branch, &sha))?)
}

/// A file; the twin lists no folders in this way.
async fn content(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, path)): Named,
    query: Query,
) -> Answer {
    let git = shared.host.git(&repo);
    let name = match query.get("ref") {
        Some(name) => name.to_owned(),
        None => shared.host.read(&repo, |it| it.default_branch.clone())?,
    };
    let commit = match git.branch(&name).await? {
        Some(commit) => commit,
        None => git.commit_named(&name).await?.ok_or_else(Refusal::not_found)?,
    };
    let bytes = git.file(&commit, &path).await?.ok_or_else(Refusal::not_found)?;
    let blob = git.blob_name(&commit, &path).await?;
    ok(shared.host.read(&repo, |it| shared.links.content(it, &name, &path, &blob, &bytes))?)
}

async fn commit(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Path((_, _, name)): Named) -> Answer {
    let git = shared.host.git(&repo);
    let message = || format!("No commit found for SHA: {name}");
    let unknown = || Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, &message());
    let sha = git.commit_named(&name).await?.ok_or_else(unknown)?;
    let commits = git.commits(&sha, true).await?;
    let commit = commits.first().ok_or_else(Refusal::not_found)?;
    let parent = commit.parents.first().map_or(EMPTY_TREE, String::as_str);
    let files = git.changes(parent, &sha).await?;
    let (plus, minus) = files.iter().fold((0, 0), |(a, d), file| (a + file.additions, d + file.deletions));
    ok(shared.host.read(&repo, |it| {
        let shown: Vec<Value> = files.iter().map(|file| shared.links.file(it, &sha, file)).collect();
        let stats = json!({"total": plus + minus, "additions": plus, "deletions": minus});
        with(shared.links.commit(it, commit), json!({"stats": stats, "files": shown}))
    })?)
}

async fn pulls_of_commit(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, sha)): Named,
    query: Query,
) -> Answer {
    let found = pulls::with_commit(&shared.host, &repo, &sha).await?;
    let shown = shared.host.read(&repo, |it| {
        let show = |pull| shared.links.pull_simple(it, pull, &pull.head_sha, &pull.base_sha);
        found.iter().map(show).collect()
    })?;
    list(&shared.links, &query, shown)
}

async fn permission(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, user)): Named,
) -> Answer {
    if user.ends_with("[bot]") {
        return Err(Refusal::new(StatusCode::NOT_FOUND, &format!("{user} is not a user")));
    }
    let given = shared.host.read(&repo, |it| {
        let owner = (it.owner == user).then(|| "admin".to_owned());
        it.permissions.get(&user).cloned().or(owner)
    })?;
    let given = given.unwrap_or_else(|| "none".to_owned());
    let permission = match &*given {
        "maintain" => "write",
        "triage" => "read",
        same => same,
    };
    let role = json!({"role_name": given});
    ok(json!({"permission": permission, "role_name": given, "user": with(shared.links.user(&user), role)}))
}
