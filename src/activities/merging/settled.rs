//! What is known of a merge before it is called again: made, under way, or never to be made.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    super::{
        Failure, Reply,
        attempt::{Attempt, answer},
        ledger::{MergeIntent, Merged},
        wait::wait_for_forge,
    },
    landed,
    meaning::means,
    order::Orders,
};
use crate::{
    core::{policy::PullState, sha::Sha, workflow::Outcome},
    github::{Meaning, Merge, Pull},
};

/// How long a merge queue may hold a change before it is judged again. REST does not say whether the queue threw it
/// out; asking again changes nothing if it did not. A queue gives up on its checks after an hour by default.
const IN_QUEUE: Duration = Duration::from_secs(2 * 3600);

/// The answer of a merge that was made, is under way or is impossible for good; `None` leaves the judgement and
/// the call to do.
pub(in super::super) async fn settled(
    at: &Attempt<'_>,
    key: &str,
    pull: &Pull,
    head: &Sha,
) -> Result<Option<Reply>, Failure> {
    let orders = Orders::read(at, key).await?;
    if let Some(sha) = pull.merged_at(head) {
        // Merged at the very head that was cleared, most likely by our call whose response was lost.
        orders.observe(at, None).await?;
        return record(at, key, sha, head.clone()).await.map(Some);
    }
    if pull.state != PullState::Open {
        let note = format!("pull request #{} was closed, or merged by someone else", pull.number);
        return Ok(Some(answer(Outcome::Closed, note)));
    }
    let Some(newest) = orders.newest else { return Ok(None) };
    let result = at.factory.forge.merge_result(&at.repo, pull.number, &newest.uuid, head).await?;
    match result {
        // Forgotten, and the pull request is open: it was not merged.
        None => Ok(None),
        // It may have passed meanwhile; what has not is found again before the next request.
        Some(Merge::Refused(refused))
            if matches!(refused.meaning, Meaning::NotYet | Meaning::RulesUnmet | Meaning::Draft) =>
        {
            Ok(None)
        }
        Some(merge) => became(at, key, merge, head, newest.since).await.map(Some),
    }
}

/// The answer to what became of a merge that was asked for at `since`.
pub(super) async fn became(
    at: &Attempt<'_>,
    key: &str,
    merge: Merge,
    head: &Sha,
    since: DateTime<Utc>,
) -> Result<Reply, Failure> {
    let base = &at.stored.spec.base_branch;
    match merge {
        Merge::Merged(sha) => record(at, key, sha, head.clone()).await,
        Merge::Pending(_) => {
            Ok(wait_for_forge(at, "the forge, which merges in the background".to_owned(), since))
        }
        Merge::Enqueued(_) if (at.stored.now - since).to_std().unwrap_or_default() > IN_QUEUE => {
            let hours = IN_QUEUE.as_secs() / 3600;
            let note = format!("the merge queue of `{base}` has not merged it in {hours} hours");
            Ok(answer(Outcome::Moved, note))
        }
        Merge::Enqueued(_) => Ok(wait_for_forge(at, format!("the merge queue of `{base}`"), since)),
        Merge::Refused(refused) => Ok(means(at, refused).await),
    }
}

/// Records the forge's yes.
pub(super) async fn record(at: &Attempt<'_>, key: &str, sha: Sha, head: Sha) -> Result<Reply, Failure> {
    // A pull request that others merged at the cleared head has no intent of ours yet.
    let pull = at.progress().pull.unwrap_or_default();
    at.begin(key, &MergeIntent { pull, sha: head.clone() }).await?;
    let merged = Merged { sha, head };
    at.observe::<MergeIntent>(key, &merged).await?;
    landed(at, key, merged).await
}
