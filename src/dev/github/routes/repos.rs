//! Repositories, branches, references, commits, people and the token's own identity.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Query, Refusal, Repo, Sent, created, list, ok};
use crate::dev::github::{APP, BOT, Shared, http_backend::Move, now, render::with, state::Issue};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/user", get(async |State(shared): State<Arc<Shared>>| ok(shared.links.own_user())))
        .route("/app", get(async |State(shared): State<Arc<Shared>>| ok(shared.links.app(APP))))
        .route("/rate_limit", get(rate_limit))
        .route("/repos/{owner}/{repo}", get(repository))
        .route("/repos/{owner}/{repo}/branches/{*branch}", get(branch))
        .route("/repos/{owner}/{repo}/git/ref/{*reference}", get(reference))
        .route("/repos/{owner}/{repo}/commits/{sha}", get(commit))
        .route("/repos/{owner}/{repo}/commits/{sha}/pulls", get(pulls_of_commit))
        .route("/repos/{owner}/{repo}/collaborators/{user}/permission", get(permission))
        .route("/repos/{owner}/{repo}/issues", post(open_issue).get(issues))
}

async fn rate_limit() -> Answer {
    let reset = chrono::Utc::now().timestamp() / 3600 * 3600 + 3600;
    let rate = json!({"limit": 5000, "remaining": 5000, "reset": reset, "used": 0, "resource": "core"});
    ok(json!({"resources": {"core": rate, "search": rate, "graphql": rate}, "rate": rate}))
}

async fn repository(State(shared): State<Arc<Shared>>, Repo(repo): Repo) -> Answer {
    ok(shared.read(&repo, |it| shared.links.repository(it))?)
}

async fn branch(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, branch)): Path<(String, String, String)>,
) -> Answer {
    let git = shared.git(&repo);
    let sha = git
        .branch(&branch)
        .await?
        .ok_or_else(|| Refusal::new(http::StatusCode::NOT_FOUND, "Branch not found"))?;
    let commits = git.commits(&sha, true).await?;
    let commit = commits.first().ok_or_else(Refusal::not_found)?;
    ok(shared.read(&repo, |it| shared.links.branch(it, &branch, commit))?)
}

async fn reference(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, reference)): Path<(String, String, String)>,
) -> Answer {
    let branch = reference.strip_prefix("heads/").ok_or_else(Refusal::not_found)?;
    let sha = shared.git(&repo).branch(branch).await?.ok_or_else(Refusal::not_found)?;
    ok(shared.read(&repo, |it| shared.links.reference(it, branch, &sha))?)
}

async fn commit(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, name)): Path<(String, String, String)>,
) -> Answer {
    let git = shared.git(&repo);
    let unknown =
        || Refusal::new(http::StatusCode::UNPROCESSABLE_ENTITY, &format!("No commit found for SHA: {name}"));
    let sha = git.commit_named(&name).await?.ok_or_else(unknown)?;
    let commits = git.commits(&sha, true).await?;
    let commit = commits.first().ok_or_else(Refusal::not_found)?;
    let parent = commit.parents.first().map_or(EMPTY_TREE, String::as_str);
    let files = git.changes(parent, &sha).await?;
    let (plus, minus) = files.iter().fold((0, 0), |(a, d), file| (a + file.additions, d + file.deletions));
    ok(shared.read(&repo, |it| {
        let shown: Vec<Value> = files.iter().map(|file| shared.links.file(it, &sha, file)).collect();
        let stats = json!({"total": plus + minus, "additions": plus, "deletions": minus});
        with(shared.links.commit(it, commit), json!({"stats": stats, "files": shown}))
    })?)
}

/// The object name git gives to a tree without files.
pub(crate) const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

async fn pulls_of_commit(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, sha)): Path<(String, String, String)>,
    query: Query,
) -> Answer {
    let git = shared.git(&repo);
    let mut found = Vec::new();
    for pull in shared.read(&repo, |it| it.pulls.clone())? {
        let within = git.contains(&pull.head_sha, &sha).await?;
        if within && !git.contains(&pull.base_sha, &sha).await? {
            found.push(
                shared
                    .read(&repo, |it| shared.links.pull_simple(it, &pull, &pull.head_sha, &pull.base_sha))?,
            );
        }
    }
    Ok(list(&shared, &query, found))
}

async fn permission(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, user)): Path<(String, String, String)>,
) -> Answer {
    let given = shared.read(&repo, |it| it.permissions.get(&user).cloned())?;
    let given = given.unwrap_or_else(|| if user == BOT { "write" } else { "none" }.to_owned());
    let role = json!({"role_name": given});
    ok(json!({"permission": given, "role_name": given, "user": with(shared.links.user(&user), role)}))
}

#[derive(Deserialize)]
struct NewIssue {
    title: String,
    body: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
}

async fn open_issue(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Sent(new): Sent<NewIssue>,
) -> Answer {
    let _turn = shared.turn.lock().await;
    let shown = shared.write(&repo, |it, ids| {
        let issue = Issue {
            id: ids.next(),
            number: it.new_number(),
            title: new.title,
            body: new.body,
            author: BOT.to_owned(),
            labels: new.labels,
            created_at: now(),
        };
        it.issues.push(issue.clone());
        shared.links.issue(it, &issue)
    })?;
    Ok(created(shown))
}

async fn issues(State(shared): State<Arc<Shared>>, Repo(repo): Repo, query: Query) -> Answer {
    let labels: Vec<&str> = query.get("labels").map(|text| text.split(',').collect()).unwrap_or_default();
    let creator = query.get("creator");
    let shown = shared.read(&repo, |it| {
        let wanted = it.issues.iter().rev().filter(|issue| {
            labels.iter().all(|label| issue.labels.iter().any(|has| has == label))
                && creator.is_none_or(|login| login == issue.author)
        });
        wanted.map(|issue| shared.links.issue(it, issue)).collect()
    })?;
    Ok(list(&shared, &query, shown))
}

impl Shared {
    /// Does what GitHub does when branches have moved: pushes are told, pull requests follow.
    pub(crate) async fn moved(
        self: &Arc<Self>,
        repo: &str,
        actor: &str,
        moves: &[Move],
    ) -> anyhow::Result<()> {
        for moved in moves {
            self.write(repo, |it, _| it.pushed_at = now())?;
            self.announce_push(repo, actor, moved).await?;
            super::pulls::follow(self, repo, actor, moved).await?;
        }
        Ok(())
    }

    async fn announce_push(&self, repo: &str, actor: &str, moved: &Move) -> anyhow::Result<()> {
        let nothing = "0".repeat(40);
        let (before, after) =
            (moved.before.as_deref().unwrap_or(&nothing), moved.after.as_deref().unwrap_or(&nothing));
        let git = self.git(repo);
        let commits = match (&moved.before, &moved.after) {
            (Some(before), Some(after)) => git.commits(&format!("{before}..{after}"), false).await?,
            (None, Some(after)) => git.commits(after, true).await?,
            (_, None) => Vec::new(),
        };
        let shown: Vec<Value> = commits
            .iter()
            .map(|commit| {
                let person = |by: &crate::dev::github::repository::Signature| json!({"name": by.name, "email": by.email});
                json!({
                    "id": commit.sha, "tree_id": commit.tree, "distinct": true, "message": commit.message,
                    "timestamp": commit.committer.date, "url": format!("{}/{repo}/commit/{}", self.links.base, commit.sha),
                    "author": person(&commit.author), "committer": person(&commit.committer),
                    "added": [], "removed": [], "modified": [],
                })
            })
            .collect();
        let payload = json!({
            "ref": format!("refs/heads/{}", moved.branch), "before": before, "after": after, "base_ref": null,
            "created": moved.before.is_none(), "deleted": moved.after.is_none(), "forced": false,
            "compare": format!("{}/{repo}/compare/{before}...{after}", self.links.base),
            "head_commit": shown.last(), "commits": shown,
            "pusher": {"name": actor, "email": crate::dev::github::render::address_of(actor)},
        });
        self.announce(repo, actor, "push", payload)
    }
}
