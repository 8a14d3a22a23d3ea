//! Commit statuses: the older way to report on a commit, by name and state.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    event::Event,
    host::Turn,
    refusal::Refusal,
    state::{Repository, Status, now},
};

/// The most statuses of one context on a commit. docs.github.com "Create a commit status".
const MOST: usize = 1_000;
/// The most characters of a description (seen in GitHub's answers).
const DESCRIPTION_LIMIT: usize = 140;
/// The most branches that a webhook names. docs.github.com "Webhook events and payloads", `status`.
const BRANCHES: usize = 10;

/// A status to be set.
#[derive(Debug, Deserialize)]
pub(crate) struct NewStatus {
    pub(crate) state: String,
    pub(crate) context: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) target_url: Option<String>,
}

/// Sets a status of the commit that `name` names.
pub(crate) async fn set(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    name: &str,
    new: NewStatus,
) -> Result<Status, Refusal> {
    let description = new.description.as_ref().map_or(0, |text| text.chars().count());
    if description > DESCRIPTION_LIMIT {
        let message = format!("description is too long (maximum is {DESCRIPTION_LIMIT} characters)");
        return Err(Refusal::rule("Status", &message));
    }
    if !matches!(&*new.state, "error" | "failure" | "pending" | "success") {
        return Err(Refusal::field("Status", "state", "invalid"));
    }
    let sha = turn.git(repo).commit_named(name).await?;
    let sha = sha.ok_or_else(|| Refusal::rule("Status", &format!("No commit found for SHA: {name}")))?;
    let context = new.context.unwrap_or_else(|| "default".to_owned());
    let of_context =
        turn.read(repo, |it| of_commit(it, &sha).filter(|known| known.context == context).count())?;
    if of_context >= MOST {
        let message = "This SHA and context has reached the maximum number of statuses.";
        return Err(Refusal::rule("Status", message));
    }
    let branches = turn.git(repo).branches().await?;
    let branches = branches.into_iter().filter(|(_, head)| *head == sha).map(|(name, _)| name);
    let branches = branches.take(BRANCHES).collect();
    let status = turn.write(repo, |it, ids| {
        let status = Status {
            id: ids.next(),
            sha,
            state: new.state,
            context,
            description: new.description,
            target_url: new.target_url,
            author: actor.to_owned(),
            created_at: now(),
        };
        it.statuses.push(status.clone());
        status
    })?;
    let commit = turn.git(repo).commit(&status.sha).await?;
    turn.announce(repo, actor, &Event::Status { branches, status: status.clone(), commit })?;
    Ok(status)
}

/// All statuses of a commit, newest first.
pub(crate) fn of_commit<'a>(it: &'a Repository, sha: &str) -> impl Iterator<Item = &'a Status> {
    it.statuses.iter().rev().filter(move |status| status.sha == sha)
}

/// The latest status of each context, and the state that they combine to.
pub(crate) fn combined<'a>(it: &'a Repository, sha: &str) -> (&'static str, Vec<&'a Status>) {
    let mut seen = BTreeSet::new();
    let latest: Vec<&Status> = of_commit(it, sha).filter(|status| seen.insert(&status.context)).collect();
    let any = |states: &[&str]| latest.iter().any(|status| states.contains(&&*status.state));
    let state = match () {
        () if any(&["error", "failure"]) => "failure",
        () if any(&["pending"]) || latest.is_empty() => "pending",
        () => "success",
    };
    (state, latest)
}
