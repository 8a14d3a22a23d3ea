//! What is known of a merge before it is called again: it was made, or it never will be.

use super::{
    super::{
        Failure, Reply,
        attempt::{Attempt, answer},
        ledger::{MergeIntent, Merged},
    },
    landed,
};
use crate::{
    core::{policy::PullState, sha::Sha, workflow::Outcome},
    github::Pull,
};

/// The answer of a merge that an earlier attempt made or that is impossible for good; `None` leaves the
/// judgement and the call to do.
pub(in super::super) async fn settled(
    at: &Attempt<'_>,
    key: &str,
    pull: &Pull,
    head: &Sha,
) -> Result<Option<Reply>, Failure> {
    if let Some(sha) = pull.merged_at(head) {
        // Merged at the very head that was cleared, most likely by our call whose response was lost.
        return record(at, key, sha, head.clone()).await.map(Some);
    }
    if pull.state != PullState::Open {
        let note = format!("pull request #{} was closed, or merged by someone else", pull.number);
        return Ok(Some(answer(Outcome::Closed, note)));
    }
    Ok(None)
}

/// Records the forge's yes.
pub(super) async fn record(at: &Attempt<'_>, key: &str, sha: Sha, head: Sha) -> Result<Reply, Failure> {
    let merged = Merged { sha, head };
    at.observe::<MergeIntent>(key, &merged).await?;
    landed(at, merged).await
}
