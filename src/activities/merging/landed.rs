//! Done means landed: the run has succeeded once the base holds the change, not when the forge says so.

use std::time::Duration;

use super::super::{
    Failure, Reply,
    attempt::{Attempt, answer, answer_with},
    ledger::Merged,
    wait::wait_for_forge,
};
use crate::{
    core::{run::Progress, sha::Sha, workflow::Outcome},
    store::effect,
    workspace::Mirror,
};

/// How long a merge may take to reach the branch that we fetch, after the forge's yes: replicas lag by seconds.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The answer of a merge to which the forge has said yes.
pub(in super::super) async fn landed(at: &Attempt<'_>, key: &str, merged: Merged) -> Result<Reply, Failure> {
    let mirror = at.mirror().await?;
    let base = at.base(&mirror).await?;
    let Some(missing) = missing(at, &mirror, &base, &merged).await? else {
        let note = format!("merged as {}", merged.sha.short());
        return Ok(answer_with(
            Outcome::Merged,
            note,
            Progress { merged: Some(merged.sha), ..Progress::default() },
        ));
    };
    let said_at = effect::get(&at.factory.pool, at.lease.run, key).await?.and_then(|row| row.done_at);
    let since = said_at.unwrap_or(at.stored.now);
    if (at.stored.now - since).to_std().unwrap_or_default() < PATIENCE {
        return Ok(wait_for_forge(at, format!("the merge to land: {missing}"), since));
    }
    let said = format!("the forge said that #{} was merged", at.progress().pull.unwrap_or_default());
    Ok(answer(Outcome::Refused, format!("{said}, but {missing}; a person must find out why")))
}

/// What is missing on the base for the merge to be true; `None` if it has landed.
async fn missing(
    at: &Attempt<'_>,
    mirror: &Mirror,
    base: &Sha,
    Merged { sha, head }: &Merged,
) -> Result<Option<String>, Failure> {
    let branch = &at.stored.spec.base_branch;
    if !mirror.holds(sha).await? {
        return Ok(Some(format!("the merge commit {} is on no branch", sha.short())));
    }
    if !mirror.is_ancestor(sha, base).await? {
        return Ok(Some(format!("`{branch}` at {} does not hold {}", base.short(), sha.short())));
    }
    // A squash or a rebase leaves the head itself out: then merging it once more must change nothing.
    if mirror.is_ancestor(head, sha).await? || mirror.adds_nothing(sha, head).await? {
        return Ok(None);
    }
    let (sha, head) = (sha.short(), head.short());
    Ok(Some(format!("{sha} on `{branch}` does not hold the change of {head}")))
}
