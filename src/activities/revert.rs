//! The first step of a run that reverts the merge of another: git makes the change, and no model is asked. What follows is the
//! way of every change: the gate, the review, the verdict, the merge.

use super::{
    Failure, Reply,
    attempt::{Attempt, answer},
    ledger::{self, ChangePushIntent, CommitMessage},
    opening::{self, Written},
    publish::{Offer, Published},
};
use crate::{
    core::{sha::Sha, words::listed, workflow::Outcome},
    store::{
        effect,
        revert::{self, Reverted},
        run,
    },
    workspace::TakenBack,
};

/// The most paths that are named in a sentence.
const NAMED: usize = 10;

/// What the run reverts, if it does.
pub(super) async fn asked(at: &Attempt<'_>) -> Result<Option<Reverted>, Failure> {
    match at.brief.requirement() {
        Some(requirement) => Ok(revert::by(&at.factory.pool, requirement).await?),
        None => Ok(None),
    }
}

/// Takes the merge back on the newest base, and opens the pull request.
pub(super) async fn perform(at: &Attempt<'_>, reverted: &Reverted) -> Result<Reply, Failure> {
    let gone = || Failure::unusable(format!("run {} is gone, which was to be reverted", reverted.of_run));
    let original = run::get(&at.factory.pool, reverted.of_run).await?.ok_or_else(gone)?;
    let progress = &original.run.progress;
    let (pull, head) = (progress.pull.ok_or_else(gone)?, progress.head.clone().ok_or_else(gone)?);
    let merged: Sha = reverted.of_sha.parse().map_err(Failure::unusable)?;
    let mirror = at.mirror().await?;
    mirror.fetch_pull(pull).await?;
    let base = match begun_at(at).await? {
        Some(base) => base,
        None => at.base(&mirror).await?,
    };
    let (short, branch) = (merged.short(), &at.stored.spec.base_branch);
    if !mirror.is_ancestor(&merged, &base).await? {
        return Ok(answer(Outcome::Declined, format!("{short} is no commit of {branch} any more")));
    }
    let before = mirror.before_merge(&merged, &head).await?;
    let files = match mirror.taken_back(&merged, &before, &base).await? {
        TakenBack::Changes(files) => files,
        TakenBack::Nothing => {
            return Ok(answer(Outcome::Declined, format!("nothing of {short} is left on {branch}")));
        }
        TakenBack::Conflict(paths) => return Err(conflict(&merged, branch, &paths)),
    };
    let message = message(at, pull, &merged, &reverted.reason);
    let offer = Offer { parent: &base, files: &files, message: &message, expected: None, number: 1 };
    match at.publish(&mirror, offer).await? {
        Published::Done(pushed) => {
            opening::conclude(at, Written { message, base, files: files.len(), pushed }).await
        }
        Published::Moved(now) => Err(opening::taken(at, now.as_ref())),
        Published::Declined(complaint) => {
            Err(Failure::last(format!("the forge declined the revert: {}", complaint.what)))
        }
    }
}

/// The commit on which an earlier attempt at this visit began the change: another base would make another commit.
async fn begun_at(at: &Attempt<'_>) -> Result<Option<Sha>, Failure> {
    let key = at.push_key(1);
    let Some(row) = effect::get(&at.factory.pool, at.lease.run, &key).await? else { return Ok(None) };
    let intent: ChangePushIntent = ledger::intent(&key, row.request)?;
    Ok(Some(intent.parent))
}

fn message(at: &Attempt<'_>, pull: u64, merged: &Sha, reason: &str) -> CommitMessage {
    CommitMessage {
        title: at.brief.title.clone(),
        explanation: format!("This reverts #{pull}, which was merged as {merged}.\n\nWhy: {reason}"),
    }
}

fn conflict(merged: &Sha, branch: &str, paths: &[String]) -> Failure {
    let mut named: Vec<String> = paths.iter().take(NAMED).map(|path| format!("`{path}`")).collect();
    if paths.len() > NAMED {
        named.push(format!("{} more", paths.len() - NAMED));
    }
    let short = merged.short();
    Failure::last(format!(
        "what {short} changed cannot be taken back on {branch}: {} changed since, too; revert it by hand \
         (`git revert`), and open that pull request",
        if named.is_empty() { "a path".to_owned() } else { listed(&named) }
    ))
}
