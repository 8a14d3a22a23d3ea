//! Branches, and the rules that they have.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::{get, post},
};
use http::StatusCode;
use serde::Deserialize;

use super::{
    extract::{Body, By, Named, Numbered, Repo},
    paging::{Query, list},
};
use crate::dev::github::{
    access,
    answers::{Answer, created, ok},
    git::Move,
    incoming::Update,
    permissions::Level,
    push,
    push_rules::{self, Pusher},
    refusal::Refusal,
    shared::Shared,
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/repos/{owner}/{repo}/branches/{*branch}", get(branch))
        .route("/repos/{owner}/{repo}/git/refs", post(create))
        .route("/repos/{owner}/{repo}/rules/branches/{*branch}", get(rules))
        .route("/repos/{owner}/{repo}/rulesets", get(rulesets))
        .route("/repos/{owner}/{repo}/rulesets/{id}", get(ruleset))
}

/// A reference to create.
#[derive(Deserialize)]
struct NewReference {
    #[serde(rename = "ref")]
    reference: String,
    sha: String,
}

/// Creates a branch. The rules hold as for a push; the words of a refusal by them are not verified.
async fn create(
    State(shared): State<Arc<Shared>>,
    By(by): By,
    Repo(repo): Repo,
    Body(new): Body<NewReference>,
) -> Answer {
    let refuse = |message: &str| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message);
    let branch =
        new.reference.strip_prefix("refs/heads/").ok_or_else(|| refuse("Reference name is not valid"))?;
    let turn = shared.host.turn().await;
    let git = turn.git(&repo);
    if git.branch(branch).await?.is_some() {
        return Err(refuse("Reference already exists"));
    }
    let sha = git.commit_named(&new.sha).await?.ok_or_else(|| refuse("Object does not exist"))?;
    let workflows = turn.read(&repo, |it| access::may(&by, it, "workflows", Level::Write))?;
    let login = by.login.as_deref().unwrap_or_default();
    let update = Update { reference: new.reference.clone(), before: None, after: Some(sha.clone()) };
    let pusher = Pusher { login, workflows };
    if let Err(declined) = push_rules::inspect(&turn, &repo, &git, pusher, &[update]).await? {
        return Err(refuse(&declined.lines.join("\n")));
    }
    git.move_branch(branch, &sha, None).await?;
    let moved = Move { branch: branch.to_owned(), before: None, after: Some(sha.clone()) };
    push::moved(&turn, &repo, login, &[moved]).await?;
    created(turn.read(&repo, |it| shared.links.reference(it, branch, &sha))?)
}

/// A branch, or its protection: both end in the name of a branch, which may hold slashes.
async fn branch(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Path((_, _, branch)): Named) -> Answer {
    let unknown = || Refusal::new(StatusCode::NOT_FOUND, "Branch not found");
    let (branch, protection) = match branch.strip_suffix("/protection") {
        Some(branch) => (branch, true),
        None => (&*branch, false),
    };
    let git = shared.host.git(&repo);
    let sha = git.branch(branch).await?.ok_or_else(unknown)?;
    if protection {
        let shown = shared.host.read(&repo, |it| {
            it.protections.get(branch).map(|rules| shared.links.protection(it, branch, rules))
        })?;
        return ok(shown.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "Branch not protected"))?);
    }
    let commits = git.commits(&sha, true).await?;
    let commit = commits.first().ok_or_else(Refusal::not_found)?;
    ok(shared.host.read(&repo, |it| shared.links.branch(it, branch, commit))?)
}

/// The rules of a branch through rulesets, whether or not there is such a branch.
async fn rules(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, branch)): Named,
    query: Query,
) -> Answer {
    let shown = shared.host.read(&repo, |it| shared.links.branch_rules(it, &branch))?;
    list(&shared.links, &query, shown)
}

async fn rulesets(State(shared): State<Arc<Shared>>, Repo(repo): Repo, query: Query) -> Answer {
    let shown = shared
        .host
        .read(&repo, |it| it.rulesets.iter().map(|set| shared.links.ruleset_simple(it, set)).collect())?;
    list(&shared.links, &query, shown)
}

async fn ruleset(
    State(shared): State<Arc<Shared>>,
    By(by): By,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
) -> Answer {
    let shown = shared.host.read(&repo, |it| {
        let writes = access::may(&by, it, "administration", Level::Write);
        let caller = by.login.as_deref().unwrap_or_default();
        it.rulesets.iter().find(|set| set.id == id).map(|set| shared.links.ruleset(it, set, caller, writes))
    })?;
    ok(shown.ok_or_else(Refusal::not_found)?)
}
