//! The merge call, and what its answers mean for the run.

use super::{
    super::{
        Failure, Reply,
        attempt::{Attempt, answer},
    },
    settled::record,
};
use crate::{
    core::{policy::Clearance, workflow::Outcome},
    github::{Merge, Pull, text},
};

/// Merges the cleared head. The caller has judged it a moment ago, and compared the base.
pub(in super::super) async fn call(
    at: &Attempt<'_>,
    key: &str,
    pull: &Pull,
    clearance: &Clearance,
) -> Result<Reply, Failure> {
    at.check_lease()?;
    let title = format!("{} (#{})", text::line(&pull.title), pull.number);
    let message = at.signed("", key);
    match at.factory.forge.merge(&at.repo, pull.number, clearance, &title, &message).await? {
        Merge::Merged(sha) => record(at, key, sha, clearance.head().clone()).await,
        Merge::HeadMoved => Ok(answer(Outcome::Moved, "the forge says that the head moved")),
        Merge::NotMergeable { why, retry: true } => {
            Err(Failure::retry(format!("not mergeable right now: {why}")))
        }
        Merge::NotMergeable { why, retry: false } => {
            Ok(answer(Outcome::Refused, format!("the forge cannot merge: {why}")))
        }
        Merge::Forbidden { why } => {
            Ok(answer(Outcome::Refused, format!("the forge does not allow us to merge: {why}")))
        }
    }
}
