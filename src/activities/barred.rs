//! A repository that nobody, or that we, may not work on: deleted, archived, or out of our reach. People decide that
//! and people undo it, so a run waits for them, and says so, where it would otherwise fail again and again.

use super::{Failure, Origin, Reply, attempt::Attempt, wait::wait};

/// What an attempt that failed comes to: a wait, if the forge says that the repository itself is the reason. The forge is
/// asked only about what it, or its git, has to do with.
pub(super) async fn explain(at: &Attempt<'_>, failure: Failure) -> Result<Reply, Failure> {
    let (Failure::Retry { origin: Origin::Forge, .. } | Failure::Final { origin: Origin::Forge, .. }) =
        failure
    else {
        return Err(failure);
    };
    match at.factory.forge.barrier(&at.repo).await {
        Ok(Some(reason)) => Ok(wait(at, reason)),
        // A forge that does not answer is waited for by the next attempt.
        Ok(None) | Err(_) => Err(failure),
    }
}
