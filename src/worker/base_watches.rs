//! Looks at the base's own checks after merges, one merge at a time, and has reverted what a product wants reverted.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::epilogues::next_attempt;
use crate::{
    activities::{Failure, Origin, Perform},
    engine::{self, Engine},
    queue::Shared,
    store::{
        self,
        base_watch::{self, Due},
    },
};

/// How long one look may take; a claim lasts twice as long.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How often a look that fails is repeated. With the longest pauses between them that is most of a day: what the checks of a
/// repository said that cannot be read for so long is not known.
const TRIES: i32 = 100;
/// How long a product at its limit of open runs is waited for before its revert is tried again.
const FULL: Duration = Duration::from_secs(60);

/// Looks whenever the poller has seen that a watch is due, until the worker stops.
pub(super) async fn run(engine: Engine, shared: Shared, activities: Arc<dyn Perform>, due: Arc<Notify>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = due.notified() => {}
        }
        if let Err(error) = all_due(&engine, &shared, &*activities).await {
            tracing::debug!(%error, "could not look at the checks of merges: {error}");
        }
    }
}

async fn all_due(engine: &Engine, shared: &Shared, activities: &dyn Perform) -> store::Result<()> {
    while let Some(due) = base_watch::claim(&shared.pool).await? {
        if due.wants_revert {
            if let Err(error) = engine.revert_wanted(due.run_id).await {
                tracing::warn!(run.id = %due.run_id, "a merge that broke the base is not reverted yet: {error}");
                base_watch::postpone(&shared.pool, due, Some(FULL), &error.to_string()).await?;
            }
            continue;
        }
        let looked =
            tokio::time::timeout(TIMEOUT, look(engine, activities, due)).await.unwrap_or_else(|_| {
                let (error, origin) = (format!("took longer than {TIMEOUT:?}"), Origin::Elsewhere);
                Err(Failure::Retry { error, after: None, origin })
            });
        if let Err(failure) = looked {
            let (error, wait) = next_attempt(due.attempts, failure);
            base_watch::postpone(&shared.pool, due, wait.filter(|_| due.attempts < TRIES), &error).await?;
        }
    }
    Ok(())
}

async fn look(engine: &Engine, activities: &dyn Perform, due: Due) -> Result<(), Failure> {
    let retry = |error: engine::Error| Failure::Retry {
        error: error.to_string(),
        after: None,
        origin: Origin::Elsewhere,
    };
    match activities.base_checks(due.run_id).await? {
        Some(seen) => engine.base_seen(due, &seen).await.map_err(retry),
        None => {
            let (error, origin) = ("there is nothing to look at".to_owned(), Origin::Elsewhere);
            Err(Failure::Final { error, origin })
        }
    }
}
