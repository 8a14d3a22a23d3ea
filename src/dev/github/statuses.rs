//! Commit statuses: the older way to report on a commit, by name and state.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    event::Event,
    host::Turn,
    refusal::Refusal,
    state::{Repository, Status, now},
};

/// A status to be set.
#[derive(Debug, Deserialize)]
pub(crate) struct NewStatus {
    state: String,
    context: Option<String>,
    description: Option<String>,
    target_url: Option<String>,
}

/// Sets a status of the commit that `name` names.
pub(crate) async fn set(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    name: &str,
    new: NewStatus,
) -> Result<Status, Refusal> {
    if !matches!(&*new.state, "error" | "failure" | "pending" | "success") {
        return Err(Refusal::field("Status", "state", "invalid"));
    }
    let sha = turn.git(repo).commit_named(name).await?;
    let sha = sha.ok_or_else(|| Refusal::rule("Status", &format!("No commit found for SHA: {name}")))?;
    let status = turn.write(repo, |it, ids| {
        let status = Status {
            id: ids.next(),
            sha,
            state: new.state,
            context: new.context.unwrap_or_else(|| "default".to_owned()),
            description: new.description,
            target_url: new.target_url,
            author: actor.to_owned(),
            created_at: now(),
        };
        it.statuses.push(status.clone());
        status
    })?;
    turn.announce(repo, actor, &Event::Status { name: name.to_owned(), status: status.clone() })?;
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
