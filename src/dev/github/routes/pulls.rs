//! Pull requests: open, find, read, change, update, merge.

use std::sync::Arc;

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::{Path, State},
    response::IntoResponse as _,
    routing::{get, put},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Query, Refusal, Repo, Sent, created, list, ok};
use crate::dev::github::{
    BOT, Shared, ci,
    http_backend::Move,
    now,
    render::{Facts, address_of, with},
    state::{Merge, Pull},
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    let one = "/repos/{owner}/{repo}/pulls/{number}";
    Router::new()
        .route("/repos/{owner}/{repo}/pulls", get(find).post(create))
        .route(one, get(read).patch(update))
        .route(&format!("{one}/files"), get(files))
        .route(&format!("{one}/commits"), get(commits))
        .route(&format!("{one}/update-branch"), put(update_branch))
        .route(&format!("{one}/merge"), put(merge).get(is_merged))
}

/// The path of one pull request.
pub(crate) type Numbered = Path<(String, String, i64)>;

#[derive(Debug, Deserialize)]
pub(crate) struct NewPull {
    title: String,
    head: String,
    base: String,
    body: Option<String>,
    #[serde(default)]
    draft: bool,
}

async fn create(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Sent(new): Sent<NewPull>) -> Answer {
    let _turn = shared.turn.lock().await;
    let number = open(&shared, &repo, BOT, new).await?;
    Ok(created(whole(&shared, &repo, number).await?))
}

/// Opens a pull request; 422 as GitHub does it.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    repo: &str,
    actor: &str,
    new: NewPull,
) -> Result<i64, Refusal> {
    let invalid = |field: &str| Refusal::field("PullRequest", field, "invalid");
    let owner = repo.split('/').next().unwrap_or("");
    let head = match new.head.split_once(':') {
        Some((user, branch)) if user == owner => branch.to_owned(),
        Some(_) => return Err(invalid("head")),
        None => new.head.clone(),
    };
    let git = shared.git(repo);
    let head_sha = git.branch(&head).await?.ok_or_else(|| invalid("head"))?;
    let base_sha = git.branch(&new.base).await?.ok_or_else(|| invalid("base"))?;
    let taken = |pull: &Pull| pull.open && pull.head_ref == head && pull.base_ref == new.base;
    if shared.read(repo, |it| it.pulls.iter().any(taken))? {
        let told = format!("A pull request already exists for {owner}:{head}.");
        return Err(Refusal::rule("PullRequest", &told));
    }
    if git.ahead(&base_sha, &head_sha).await? == 0 {
        let told = format!("No commits between {} and {head}", new.base);
        return Err(Refusal::rule("PullRequest", &told));
    }
    let number = shared.write(repo, |it, ids| {
        let number = it.new_number();
        it.pulls.push(Pull {
            id: ids.next(),
            number,
            title: new.title,
            body: new.body,
            author: actor.to_owned(),
            head_ref: head,
            base_ref: new.base,
            head_sha,
            base_sha,
            open: true,
            draft: new.draft,
            created_at: now(),
            updated_at: now(),
            closed_at: None,
            merge: None,
        });
        number
    })?;
    announce(shared, repo, actor, number, json!({"action": "opened"})).await?;
    ci::check(shared, repo, number)?;
    Ok(number)
}

async fn find(State(shared): State<Arc<Shared>>, Repo(repo): Repo, query: Query) -> Answer {
    let state = query.get("state").unwrap_or("open");
    let owner = repo.split('/').next().unwrap_or("");
    // GitHub ignores a head without an owner; so does its twin.
    let head = query.get("head").and_then(|head| head.split_once(':'));
    let branches = shared.git(&repo).branches().await?;
    let shown = shared.read(&repo, |it| {
        let mut pulls: Vec<&Pull> = it
            .pulls
            .iter()
            .filter(|pull| state == "all" || (state == "open") == pull.open)
            .filter(|pull| head.is_none_or(|(user, branch)| user == owner && branch == pull.head_ref))
            .filter(|pull| query.get("base").is_none_or(|base| base == pull.base_ref))
            .collect();
        if query.get("direction").unwrap_or("desc") == "desc" {
            pulls.reverse();
        }
        let live = |pull: &Pull, branch: &str, seen: &String| {
            if pull.open { branches.get(branch).unwrap_or(seen).clone() } else { seen.clone() }
        };
        let show = |pull: &Pull| {
            let head = live(pull, &pull.head_ref, &pull.head_sha);
            let base = live(pull, &pull.base_ref, &pull.base_sha);
            shared.links.pull_simple(it, pull, &head, &base)
        };
        pulls.into_iter().map(show).collect()
    })?;
    Ok(list(&shared, &query, shown))
}

async fn read(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Path((_, _, number)): Numbered) -> Answer {
    ok(whole(&shared, &repo, number).await?)
}

/// The pull request in full, with what git knows now.
pub(crate) async fn whole(shared: &Shared, repo: &str, number: i64) -> Result<Value, Refusal> {
    let pull = one(shared, repo, number)?;
    let facts = facts(shared, repo, &pull).await?;
    shared.read(repo, |it| shared.links.pull(it, &pull, &facts))
}

/// The pull request as it is remembered, its commits as they are now.
pub(crate) fn one(shared: &Shared, repo: &str, number: i64) -> Result<Pull, Refusal> {
    shared.read(repo, |it| it.pull(number).cloned())?.ok_or_else(Refusal::not_found)
}

/// What git knows of a pull request now, or as it was when it was closed.
pub(crate) async fn facts(shared: &Shared, repo: &str, pull: &Pull) -> anyhow::Result<Facts> {
    let git = shared.git(repo);
    let (mut head_sha, mut base_sha) = (pull.head_sha.clone(), pull.base_sha.clone());
    if pull.open {
        head_sha = git.branch(&pull.head_ref).await?.unwrap_or(head_sha);
        base_sha = git.branch(&pull.base_ref).await?.unwrap_or(base_sha);
    }
    let files = git.changes(&base_sha, &head_sha).await?;
    let mergeable =
        if pull.open { Some(git.merged_tree(&base_sha, &head_sha).await?.is_some()) } else { None };
    Ok(Facts {
        mergeable,
        commits: git.ahead(&base_sha, &head_sha).await?,
        additions: files.iter().map(|file| file.additions).sum(),
        deletions: files.iter().map(|file| file.deletions).sum(),
        changed_files: files.len() as u64,
        head_sha,
        base_sha,
    })
}

#[derive(Deserialize)]
struct Change {
    title: Option<String>,
    body: Option<String>,
    state: Option<String>,
    base: Option<String>,
}

async fn update(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    Sent(change): Sent<Change>,
) -> Answer {
    let _turn = shared.turn.lock().await;
    let pull = one(&shared, &repo, number)?;
    let state = change.state.as_deref();
    if !matches!(state, None | Some("open" | "closed"))
        || change.base.is_some_and(|base| base != pull.base_ref)
    {
        return Err(Refusal::field("PullRequest", "state", "invalid"));
    }
    let reopened = state == Some("open") && !pull.open;
    if reopened && (pull.merge.is_some() || shared.git(&repo).branch(&pull.head_ref).await?.is_none()) {
        return Err(Refusal::rule(
            "PullRequest",
            "state cannot be changed. The pull request cannot be reopened.",
        ));
    }
    shared.write(&repo, |it, _| {
        if let Some(pull) = it.pull_mut(number) {
            pull.title = change.title.unwrap_or_else(|| pull.title.clone());
            pull.body = change.body.or(pull.body.take());
            pull.updated_at = now();
            if reopened {
                (pull.open, pull.closed_at) = (true, None);
            }
        }
    })?;
    if state == Some("closed") && pull.open {
        close(&shared, &repo, BOT, number).await?;
    } else {
        let action = if reopened { "reopened" } else { "edited" };
        announce(&shared, &repo, BOT, number, json!({"action": action, "changes": {}})).await?;
    }
    ok(whole(&shared, &repo, number).await?)
}

/// Closes without merging. The head and base stay as they are now.
pub(crate) async fn close(shared: &Shared, repo: &str, actor: &str, number: i64) -> Result<(), Refusal> {
    let pull = one(shared, repo, number)?;
    let facts = facts(shared, repo, &pull).await?;
    shared.write(repo, |it, _| {
        if let Some(pull) = it.pull_mut(number) {
            pull.open = false;
            pull.closed_at = Some(now());
            (pull.head_sha, pull.base_sha) = (facts.head_sha, facts.base_sha);
        }
    })?;
    Ok(announce(shared, repo, actor, number, json!({"action": "closed"})).await?)
}

async fn files(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    query: Query,
) -> Answer {
    let pull = one(&shared, &repo, number)?;
    let facts = facts(&shared, &repo, &pull).await?;
    let files = shared.git(&repo).changes(&facts.base_sha, &facts.head_sha).await?;
    let shown = shared
        .read(&repo, |it| files.iter().map(|file| shared.links.file(it, &facts.head_sha, file)).collect())?;
    Ok(list(&shared, &query, shown))
}

async fn commits(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    query: Query,
) -> Answer {
    let pull = one(&shared, &repo, number)?;
    let facts = facts(&shared, &repo, &pull).await?;
    let range = format!("{}..{}", facts.base_sha, facts.head_sha);
    let commits = shared.git(&repo).commits(&range, false).await?;
    let shown =
        shared.read(&repo, |it| commits.iter().map(|commit| shared.links.commit(it, commit)).collect())?;
    Ok(list(&shared, &query, shown))
}

#[derive(Deserialize)]
struct UpdateBranch {
    expected_head_sha: Option<String>,
}

async fn update_branch(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    Sent(asked): Sent<UpdateBranch>,
) -> Answer {
    let _turn = shared.turn.lock().await;
    let pull = one(&shared, &repo, number)?;
    let facts = facts(&shared, &repo, &pull).await?;
    let refuse = |told: &str| Err(Refusal::rule("PullRequest", told));
    if asked.expected_head_sha.is_some_and(|expected| expected != facts.head_sha) {
        return refuse("expected head sha didn’t match current head ref.");
    }
    let git = shared.git(&repo);
    if !pull.open || git.ahead(&facts.head_sha, &facts.base_sha).await? == 0 {
        return refuse("There are no new commits on the base branch.");
    }
    let Some(tree) = git.merged_tree(&facts.head_sha, &facts.base_sha).await? else {
        return refuse("merge conflict between base and head");
    };
    let message = format!("Merge branch '{}' into {}", pull.base_ref, pull.head_ref);
    let parents = [facts.head_sha.as_str(), &facts.base_sha];
    let after = git.commit_tree(&tree, &parents, &message, (BOT, &address_of(BOT))).await?;
    advance(&shared, &repo, BOT, &pull.head_ref, &facts.head_sha, &after).await?;
    let url = shared.read(&repo, |it| format!("{}/pulls/{number}", shared.links.api(it)))?;
    let told = json!({"message": "Updating pull request branch.", "url": url});
    Ok((StatusCode::ACCEPTED, Json(told)).into_response())
}

#[derive(Deserialize)]
struct AskedMerge {
    sha: Option<String>,
    merge_method: Option<String>,
    commit_title: Option<String>,
    commit_message: Option<String>,
}

async fn merge(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    Sent(asked): Sent<AskedMerge>,
) -> Answer {
    let _turn = shared.turn.lock().await;
    let pull = one(&shared, &repo, number)?;
    let facts = facts(&shared, &repo, &pull).await?;
    let refuse = |told: &str| Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, told));
    if !pull.open {
        return refuse("Pull Request is not mergeable");
    }
    if pull.draft {
        return refuse("Pull Request is still a draft");
    }
    if asked.sha.as_ref().is_some_and(|sha| *sha != facts.head_sha) {
        let told = "Head branch was modified. Review and try the merge again.";
        return Err(Refusal::new(StatusCode::CONFLICT, told));
    }
    let git = shared.git(&repo);
    let Some(tree) = git.merged_tree(&facts.base_sha, &facts.head_sha).await? else {
        return refuse("Pull Request is not mergeable");
    };
    let both = [facts.base_sha.as_str(), &facts.head_sha];
    let (parents, title) = match asked.merge_method.as_deref() {
        None | Some("merge") => {
            let owner = repo.split('/').next().unwrap_or("");
            (&both[..], format!("Merge pull request #{number} from {owner}/{}", pull.head_ref))
        }
        Some("squash") => (&both[..1], format!("{} (#{number})", pull.title)),
        Some(other) => return refuse(&format!("{other} merges are not allowed on this repository.")),
    };
    let title = asked.commit_title.unwrap_or(title);
    let message = format!("{title}\n\n{}", asked.commit_message.unwrap_or_else(|| pull.title.clone()));
    let sha = git.commit_tree(&tree, parents, &message, (BOT, &address_of(BOT))).await?;
    land(&shared, &repo, &pull, &facts, &sha).await?;
    ok(json!({"sha": sha, "merged": true, "message": "Pull Request successfully merged"}))
}

/// Remembers the merge, then moves the base; killed in between, [`heal`] moves it.
async fn land(
    shared: &Arc<Shared>,
    repo: &str,
    pull: &Pull,
    facts: &Facts,
    sha: &str,
) -> Result<(), Refusal> {
    mark_merged(shared, repo, pull.number, facts, sha)?;
    shared.git(repo).move_branch(&pull.base_ref, sha, Some(&facts.base_sha)).await?;
    let moved = Move {
        branch: pull.base_ref.clone(),
        before: Some(facts.base_sha.clone()),
        after: Some(sha.to_owned()),
    };
    announce(shared, repo, BOT, pull.number, json!({"action": "closed"})).await?;
    Ok(shared.moved(repo, BOT, &[moved]).await?)
}

fn mark_merged(shared: &Shared, repo: &str, number: i64, facts: &Facts, sha: &str) -> anyhow::Result<()> {
    shared.write(repo, |it, _| {
        if let Some(pull) = it.pull_mut(number) {
            let at = now();
            pull.open = false;
            (pull.head_sha, pull.base_sha) = (facts.head_sha.clone(), facts.base_sha.clone());
            (pull.closed_at, pull.updated_at) = (Some(at.clone()), at.clone());
            pull.merge = Some(Merge { sha: sha.to_owned(), by: BOT.to_owned(), at });
        }
    })
}

async fn is_merged(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
) -> Answer {
    match one(&shared, &repo, number)?.merge {
        Some(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        None => Ok(StatusCode::NOT_FOUND.into_response()),
    }
}

/// Moves a branch and does what follows.
pub(crate) async fn advance(
    shared: &Arc<Shared>,
    repo: &str,
    actor: &str,
    branch: &str,
    before: &str,
    after: &str,
) -> anyhow::Result<()> {
    shared.git(repo).move_branch(branch, after, Some(before)).await?;
    let moved =
        Move { branch: branch.to_owned(), before: Some(before.to_owned()), after: Some(after.to_owned()) };
    shared.moved(repo, actor, &[moved]).await
}

/// Has the open pull requests of a moved branch follow it: new head, gone head, or landed in its base.
pub(crate) async fn follow(
    shared: &Arc<Shared>,
    repo: &str,
    actor: &str,
    moved: &Move,
) -> anyhow::Result<()> {
    let open: Vec<Pull> =
        shared.look(|state| state.repositories.get(repo).map(|it| it.pulls.clone())).unwrap_or_default();
    for pull in open.into_iter().filter(|pull| pull.open) {
        match &moved.after {
            Some(after) if pull.head_ref == moved.branch => {
                synchronize(shared, repo, actor, &pull, after).await?;
            }
            None if pull.head_ref == moved.branch => {
                close(shared, repo, actor, pull.number)
                    .await
                    .map_err(|told| anyhow::anyhow!(told.message()))?;
            }
            Some(after) if pull.base_ref == moved.branch => {
                let base = moved.before.as_deref().unwrap_or(after);
                adopt_landed(shared, repo, actor, &pull, base, after).await?;
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

async fn synchronize(
    shared: &Arc<Shared>,
    repo: &str,
    actor: &str,
    pull: &Pull,
    after: &str,
) -> anyhow::Result<()> {
    shared.write(repo, |it, _| {
        if let Some(pull) = it.pull_mut(pull.number) {
            after.clone_into(&mut pull.head_sha);
            pull.updated_at = now();
        }
    })?;
    let action = json!({"action": "synchronize", "before": pull.head_sha, "after": after});
    announce(shared, repo, actor, pull.number, action).await?;
    ci::check(shared, repo, pull.number)
}

/// A pull request whose head came into its base by a push counts as merged.
async fn adopt_landed(
    shared: &Shared,
    repo: &str,
    actor: &str,
    pull: &Pull,
    before: &str,
    after: &str,
) -> anyhow::Result<()> {
    let git = shared.git(repo);
    if !git.contains(after, &pull.head_sha).await? || git.contains(before, &pull.head_sha).await? {
        return Ok(());
    }
    let pull_before = Pull { open: false, base_sha: before.to_owned(), ..pull.clone() };
    let facts = facts(shared, repo, &pull_before).await.context("read what had landed")?;
    mark_merged(shared, repo, pull.number, &facts, after)?;
    announce(shared, repo, actor, pull.number, json!({"action": "closed"})).await
}

/// Finishes what a killed twin had begun: merges whose base did not move, pushes nobody followed.
pub(crate) async fn heal(shared: &Arc<Shared>) -> anyhow::Result<()> {
    let names: Vec<String> = shared.look(|state| state.repositories.keys().cloned().collect());
    for repo in names {
        let git = shared.git(&repo);
        let pulls = shared.look(|state| state.repositories.get(&repo).map(|it| it.pulls.clone()));
        for pull in pulls.unwrap_or_default() {
            let base = git.branch(&pull.base_ref).await?;
            match &pull.merge {
                Some(merge) if base.as_ref() == Some(&pull.base_sha) => {
                    advance(shared, &repo, BOT, &pull.base_ref, &pull.base_sha, &merge.sha).await?;
                }
                None if pull.open => {
                    let head = git.branch(&pull.head_ref).await?;
                    if let Some(after) = head.filter(|head| *head != pull.head_sha) {
                        synchronize(shared, &repo, &pull.author, &pull, &after).await?;
                    }
                }
                Some(_) | None => {}
            }
        }
    }
    Ok(())
}

/// Tells the webhooks of a pull request.
pub(crate) async fn announce(
    shared: &Shared,
    repo: &str,
    actor: &str,
    number: i64,
    action: Value,
) -> anyhow::Result<()> {
    let pull = whole(shared, repo, number).await.map_err(|told| anyhow::anyhow!(told.message()))?;
    let payload = with(json!({"number": number, "pull_request": pull}), action);
    shared.announce(repo, actor, "pull_request", payload)
}
