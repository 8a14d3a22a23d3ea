//! A repository that nobody, or that we, may not work on: deleted, archived, or out of our reach. People decide that
//! and people undo it, so a run waits for them, and says so, where it would otherwise fail again and again.

use super::{Failure, Reply, attempt::Attempt, wait::wait};

/// What an attempt that failed comes to: a wait, if the forge says that the repository itself is the reason.
pub(super) async fn explain(at: &Attempt<'_>, failure: Failure) -> Result<Reply, Failure> {
    if !matches!(failure, Failure::Retry { .. } | Failure::Final { .. }) {
        return Err(failure);
    }
    match at.factory.forge.barrier(&at.repo).await {
        Ok(Some(reason)) => Ok(wait(at, reason)),
        // A forge that does not answer is waited for by the next attempt.
        Ok(None) | Err(_) => Err(failure),
    }
}
