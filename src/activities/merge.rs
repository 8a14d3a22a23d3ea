//! Merge: the cleared head is merged into the base, or nothing is.

use std::time::Duration;

use super::{
    Failure, Reply,
    attempt::{Attempt, answer, moved},
    ledger::{Before, MergeIntent},
    merging,
    second_look::{SecondLook, second_look},
};
use crate::{core::workflow::Outcome, store::job_control};

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let head = at.head()?;
    let key = format!("{}/merge", at.scope());
    if let Some(merged) = at.observed::<MergeIntent>(&key).await? {
        return merging::landed(at, &key, merged).await;
    }
    if job_control::rekey_merge(&at.factory.pool, &at.lease).await? {
        // Its turn among the merges into the branch was that of another name.
        return Err(Failure::Snooze { until: Duration::ZERO, why: format!("merge:{}", at.repo) });
    }
    let pull = at.pull().await?;
    // If the response of a merge was lost, the pull request tells.
    if let Some(reply) = merging::settled(at, &key, &pull, &head).await? {
        return Ok(reply);
    }
    if at.run().was_sent_here() {
        let note = "the run was sent here by hand: the head is judged again before a merge";
        return Ok(answer(Outcome::Moved, note));
    }
    if pull.head_sha != head {
        return Ok(moved(&head, &pull.head_sha));
    }
    let (pull, clearance) = match Box::pin(second_look(at, &key, &head)).await? {
        SecondLook::Cleared(pull, clearance) => (pull, clearance),
        SecondLook::Over(reply) => return Ok(reply),
    };
    let intent = MergeIntent { pull: pull.number, sha: head };
    match at.begin(&key, &intent).await? {
        Before::Done(merged) => merging::landed(at, &key, merged).await,
        Before::Unknown(_) | Before::Fresh(_) => merging::call(at, &key, &pull, &clearance).await,
    }
}
