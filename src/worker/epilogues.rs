//! Says the last words of runs that have ended, one at a time.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    activities::{Failure, LookedBack, Origin, Perform},
    engine::Engine,
    queue::Shared,
    store::{self, epilogue},
};

/// How long one may take; a claim lasts twice as long.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest wait after a failure.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// For how long a last word is tried: a repository that is gone for a day is gone.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Says what is due whenever the poller has seen that something is, until the worker stops.
pub(super) async fn run(engine: Engine, shared: Shared, activities: Arc<dyn Perform>, due: Arc<Notify>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = due.notified() => {}
        }
        if let Err(error) = all_due(&engine, &shared, &*activities).await {
            tracing::debug!(%error, "could not look for the last words of ended runs: {error}");
        }
    }
}

async fn all_due(engine: &Engine, shared: &Shared, activities: &dyn Perform) -> store::Result<()> {
    while let Some(owed) = epilogue::claim(&shared.pool).await? {
        let run = owed.run_id;
        let said = tokio::time::timeout(TIMEOUT, conclude(engine, activities, run)).await;
        let failure = match said {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            Err(_) => {
                let (error, origin) = (format!("took longer than {TIMEOUT:?}"), Origin::Elsewhere);
                Some(Failure::Retry { error, after: None, origin })
            }
        };
        match failure.map(|failure| next_attempt(owed.attempts, failure)) {
            None => epilogue::done(&shared.pool, &owed).await?,
            Some((error, Some(_))) if owed.age_s > LONGEST.as_secs_f64() => {
                tracing::warn!(run.id = %run, "the last word of an ended run is given up after a day: {error}");
                epilogue::give_up(&shared.pool, &owed, &error).await?;
            }
            Some((error, Some(wait))) => epilogue::postpone(&shared.pool, &owed, wait, &error).await?,
            Some((error, None)) => {
                tracing::warn!(run.id = %run, "the gate's check of an ended run stays as it is: {error}");
                epilogue::done(&shared.pool, &owed).await?;
            }
        }
    }
    Ok(())
}

/// Records what became of the pull request, and says the last word.
async fn conclude(engine: &Engine, activities: &dyn Perform, run: Uuid) -> Result<(), Failure> {
    if let Some(LookedBack { by, event }) = activities.look_back(run).await? {
        let recorded = engine.pull_changed(run, &by, event).await;
        recorded.map_err(|error| Failure::Retry {
            error: error.to_string(),
            after: None,
            origin: Origin::Elsewhere,
        })?;
    }
    activities.conclude(run).await
}

/// Why an attempt failed, and how long to wait for the next; no wait if that would fail too.
pub(super) fn next_attempt(attempts: i32, failure: Failure) -> (String, Option<Duration>) {
    let doublings = u32::try_from(attempts).unwrap_or_default().min(8);
    let backoff = (Duration::from_secs(2) * 2_u32.pow(doublings)).min(LONGEST_WAIT);
    match failure {
        Failure::Retry { error, after, .. } => (error, Some(after.unwrap_or(backoff).min(LONGEST_WAIT))),
        Failure::Snooze { until, why } => (format!("held back by {why}"), Some(until)),
        Failure::Outage(outage) => (outage.error.clone(), Some(outage.wait.clamp(backoff, LONGEST_WAIT))),
        Failure::Final { error, .. } => (error, None),
        Failure::Halt { reason, .. } | Failure::TakenOver { reason, .. } => (reason, Some(LONGEST_WAIT)),
        Failure::LeaseLost => ("its lease was lost".to_owned(), Some(backoff)),
    }
}
