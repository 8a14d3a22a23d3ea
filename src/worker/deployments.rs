//! Finds out what deployments contain, one at a time.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::epilogues::next_attempt;
use crate::{
    activities::{Failure, Origin, Perform},
    queue::Shared,
    store::{self, deployment, merged},
};

/// How long one may take; a claim lasts twice as long.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is tried: a repository that cannot be read in that time says nothing of its deployments.
const TRIES: i32 = 50;

/// Looks whenever the poller has seen that one is due, until the worker stops.
pub(super) async fn run(shared: Shared, activities: Arc<dyn Perform>, due: Arc<Notify>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = due.notified() => {}
        }
        if let Err(error) = all_due(&shared, &*activities).await {
            tracing::debug!(%error, "could not look what deployments contain: {error}");
        }
    }
}

async fn all_due(shared: &Shared, activities: &dyn Perform) -> store::Result<()> {
    let mut tx = shared.pool.begin().await?;
    merged::settle(&mut tx).await?;
    tx.commit().await?;
    while let Some(due) = deployment::claim(&shared.pool).await? {
        let looked = tokio::time::timeout(TIMEOUT, activities.contents(&due)).await.unwrap_or_else(|_| {
            let (error, origin) = (format!("took longer than {TIMEOUT:?}"), Origin::Elsewhere);
            Err(Failure::Retry { error, after: None, origin })
        });
        match looked {
            Ok(runs) => deployment::done(&shared.pool, &due, &runs).await?,
            Err(failure) => {
                let (error, wait) = next_attempt(due.attempts, failure);
                let wait = wait.filter(|_| due.attempts < TRIES);
                deployment::postpone(&shared.pool, &due, wait, &error).await?;
            }
        }
    }
    Ok(())
}
