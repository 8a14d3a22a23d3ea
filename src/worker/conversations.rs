//! Reads and answers the conversations on pull requests, one at a time.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::epilogues::next_attempt;
use crate::{
    activities::{Failure, Origin, Perform},
    engine::Engine,
    queue::Shared,
    store::{self, conversation},
};

/// How long one may take; a claim lasts twice as long.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The wait after a failure that would come again, such as a pull request that is gone.
const LONG: Duration = Duration::from_secs(3600);

/// Attends to what is due whenever the poller has seen that something is, until the worker stops.
pub(super) async fn run(engine: Engine, shared: Shared, activities: Arc<dyn Perform>, due: Arc<Notify>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = due.notified() => {}
        }
        if let Err(error) = all_due(&engine, &shared, &*activities).await {
            tracing::debug!(%error, "could not look for conversations: {error}");
        }
    }
}

async fn all_due(engine: &Engine, shared: &Shared, activities: &dyn Perform) -> store::Result<()> {
    while !shared.stop.is_cancelled()
        && let Some(owed) = conversation::claim(&shared.pool).await?
    {
        let run = owed.run_id;
        let failure = match tokio::time::timeout(TIMEOUT, activities.converse(engine, run)).await {
            Ok(Ok(next)) => {
                conversation::done(&shared.pool, &owed, next).await?;
                continue;
            }
            Ok(Err(failure)) => failure,
            Err(_) => {
                let (error, origin) = (format!("took longer than {TIMEOUT:?}"), Origin::Elsewhere);
                Failure::Retry { error, after: None, origin }
            }
        };
        let (error, wait) = next_attempt(owed.failures + 1, failure);
        tracing::debug!(run.id = %run, "the conversation of a run was not attended to: {error}");
        conversation::postpone(&shared.pool, &owed, wait.unwrap_or(LONG), &error).await?;
    }
    Ok(())
}
