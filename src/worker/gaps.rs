//! Looks at harness gaps when their clocks or the forge have something for them, one at a time.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::epilogues::next_attempt;
use crate::{
    activities::{Failure, Origin, Perform},
    queue::Shared,
    store::{self, gap},
};

/// How long one may take; a claim lasts twice as long.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The wait after a failure that would come again, such as a repository that is gone.
const LONG: Duration = Duration::from_secs(3600);

/// Looks at what is due whenever the poller has seen that something is, until the worker stops.
pub(super) async fn run(shared: Shared, activities: Arc<dyn Perform>, due: Arc<Notify>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = due.notified() => {}
        }
        if let Err(error) = all_due(&shared, &*activities).await {
            tracing::debug!(%error, "could not look at harness gaps: {error}");
        }
    }
}

async fn all_due(shared: &Shared, activities: &dyn Perform) -> store::Result<()> {
    while !shared.stop.is_cancelled()
        && let Some(due) = gap::claim(&shared.pool).await?
    {
        let failure = match tokio::time::timeout(TIMEOUT, activities.tend(due.id)).await {
            Ok(Ok(next)) => {
                gap::looked(&shared.pool, &due, next).await?;
                continue;
            }
            Ok(Err(failure)) => failure,
            Err(_) => {
                let (error, origin) = (format!("took longer than {TIMEOUT:?}"), Origin::Elsewhere);
                Failure::Retry { error, after: None, origin }
            }
        };
        let (error, wait) = next_attempt(due.attempts, failure);
        tracing::debug!(gap.id = %due.id, "a harness gap was not looked at: {error}");
        gap::postpone(&shared.pool, &due, wait.unwrap_or(LONG), &error).await?;
    }
    Ok(())
}
