//! Claims the jobs of one queue into the free slots of its worker.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};
use uuid::Uuid;

use super::{Held, Hub, give_back};
use crate::{
    core::workflow::Queue,
    store::{self, job},
};

/// Claims until the hub stops or the worker is gone.
pub(super) async fn feed(hub: Hub, queue: Queue, slots: usize, jobs: mpsc::Sender<Held>) {
    let free = Arc::new(Semaphore::new(slots));
    let mut outage: Option<Instant> = None;
    loop {
        let slot = tokio::select! {
            biased;
            () = hub.stop.cancelled() => return,
            slot = Arc::clone(&free).acquire_owned() => slot,
        };
        let Ok(slot) = slot else { return };
        let slots = with_others(slot, &free);
        // Register interest before looking, so that a job that comes meanwhile is not missed.
        let bell = hub.wake.bell(queue).notified();
        tokio::pin!(bell);
        bell.as_mut().enable();
        let rest = match claim(&hub, queue, slots, &jobs).await {
            Ok(claimed) => {
                if outage.take().is_some() {
                    tracing::info!(%queue, "jobs of `{queue}` can be claimed again");
                }
                if claimed > 0 {
                    continue;
                }
                hub.timing.poll
            }
            Err(error) => {
                let since = *outage.get_or_insert_with(|| {
                    tracing::warn!(%queue, %error, "jobs of `{queue}` cannot be claimed: {error}; trying on");
                    Instant::now()
                });
                (since.elapsed() / 4).clamp(Duration::from_millis(200), Duration::from_secs(5))
            }
        };
        tokio::select! {
            biased;
            () = hub.stop.cancelled() => return,
            () = bell => {}
            () = tokio::time::sleep(jittered(rest)) => {}
        }
    }
}

/// Fills the slots with due jobs; tells how many were claimed.
async fn claim(
    hub: &Hub,
    queue: Queue,
    slots: Vec<OwnedSemaphorePermit>,
    jobs: &mpsc::Sender<Held>,
) -> store::Result<usize> {
    let asked = Instant::now();
    let limit = i64::try_from(slots.len()).unwrap_or(i64::MAX);
    let leases = job::claim(&hub.pool, queue, &hub.worker, limit, hub.timing.lease).await?;
    let claimed = leases.len();
    for (lease, slot) in leases.into_iter().zip(slots) {
        let pulse = hub.heart.hold(&lease, asked);
        let held = Held { lease, queue, pulse, _slot: slot };
        // Nobody begins it any more, and whatever runs may take long to end.
        if hub.stop.is_cancelled() {
            give_back(&hub.pool, &held.lease, queue).await;
            continue;
        }
        if let Err(mpsc::error::SendError(held)) = jobs.send(held).await {
            give_back(&hub.pool, &held.lease, queue).await;
        }
    }
    Ok(claimed)
}

fn with_others(first: OwnedSemaphorePermit, free: &Arc<Semaphore>) -> Vec<OwnedSemaphorePermit> {
    let mut slots = vec![first];
    while let Ok(slot) = Arc::clone(free).try_acquire_owned() {
        slots.push(slot);
    }
    slots
}

/// Between three quarters and five quarters of `rest`, so that workers do not look in step.
fn jittered(rest: Duration) -> Duration {
    let drawn = f64::from(Uuid::new_v4().as_bytes()[0]) / 255.0;
    rest.mul_f64(0.75 + drawn / 2.0)
}
