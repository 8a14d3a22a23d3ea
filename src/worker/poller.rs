//! Polls for due work that no notification announced: jobs, timers, schedules, the last words of ended runs, messages to
//! people, conversations on pull requests, harness gaps, deployments, bases after merges, runs to be counted, and runs that
//! fit their budgets again.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::with_timeout;
use crate::{
    core::workflow::Queue,
    engine::Engine,
    queue::Shared,
    store::job::{self, DueWork},
};

/// Polls from one check for runs that fit their budgets again to the next.
const FUNDING: u64 = 30;
/// The most runs that are woken before the next query for more.
const WAKE_BATCH: i64 = 100;

/// What is woken when the poll sees work for it.
pub(super) struct Wakes {
    /// The last words of ended runs.
    pub(super) epilogues: Arc<Notify>,
    /// Messages to people.
    pub(super) notices: Arc<Notify>,
    /// What people say on pull requests.
    pub(super) conversations: Arc<Notify>,
    /// Harness gaps.
    pub(super) gaps: Arc<Notify>,
    /// Deployments of which is to be found out what they contain.
    pub(super) deployments: Arc<Notify>,
    /// The base's own checks after merges.
    pub(super) watches: Arc<Notify>,
    /// Runs that are to be counted.
    pub(super) measures: Arc<Notify>,
}

/// Polls until the worker stops, with one statement each time unless something is due.
pub(super) async fn run(engine: Engine, shared: Shared, served: Vec<Queue>, wakes: Wakes) {
    for poll in 0_u64.. {
        // A new day brings new budgets; that need not be noticed to the second.
        if poll % FUNDING == 0
            && let Err(error) = with_timeout(&shared, engine.resume_funded()).await
        {
            tracing::debug!(%error, "could not look for runs that fit their budgets: {error}");
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(interval(&shared)) => {}
        }
        match with_timeout(&shared, async { Ok(job::due_work(engine.pool(), &served).await?) }).await {
            Ok(due) => {
                // They call the forge, so only a worker that does says them.
                if due.epilogues && served.contains(&Queue::Github) {
                    wakes.epilogues.notify_one();
                }
                if due.notices {
                    wakes.notices.notify_one();
                }
                if due.conversations && served.contains(&Queue::Github) {
                    wakes.conversations.notify_one();
                }
                if due.gaps && served.contains(&Queue::Github) {
                    wakes.gaps.notify_one();
                }
                if due.deployments && served.contains(&Queue::Github) {
                    wakes.deployments.notify_one();
                }
                if due.watches && served.contains(&Queue::Github) {
                    wakes.watches.notify_one();
                }
                if due.measures {
                    wakes.measures.notify_one();
                }
                handle(&engine, &shared, &served, &due).await;
            }
            Err(error) => tracing::debug!(%error, "could not look for due work: {error}"),
        }
    }
}

/// The interval and up to a quarter more, at random, so that workers do not poll at the same time.
fn interval(shared: &Shared) -> Duration {
    let random = f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0;
    shared.timing.poll.mul_f64(1.0 + random / 4.0)
}

async fn handle(engine: &Engine, shared: &Shared, served: &[Queue], due: &DueWork) {
    due.queues.iter().for_each(|queue| shared.notifier.notify(queue));
    for &queue in served {
        shared.notifier.set_shared(queue, due.shared.iter().any(|name| name == queue.as_str()));
    }
    if due.timers {
        wake_due(engine, shared).await;
    }
    if due.ticks
        && let Err(error) = with_timeout(shared, engine.fire_due()).await
    {
        tracing::warn!(%error, "could not fire the schedules that are due: {error}");
    }
}

/// Wakes the runs whose timers are due.
async fn wake_due(engine: &Engine, shared: &Shared) {
    loop {
        match with_timeout(shared, engine.wake_due(WAKE_BATCH)).await {
            Ok(woken) if i64::try_from(woken) == Ok(WAKE_BATCH) => {}
            Ok(_) => return,
            Err(error) => {
                tracing::debug!(%error, "could not wake waiting runs: {error}");
                return;
            }
        }
    }
}
