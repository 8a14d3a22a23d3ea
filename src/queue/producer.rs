//! The producer: claims due jobs for the free slots of its worker, all queues in one statement.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};

use super::{ClaimedJob, Shared, Slot, release};
use crate::{
    core::workflow::Queue,
    store::{
        self, Clock, Pool, PoolConn,
        job::{self, Claim, ClaimBatch, ClaimRequest, Lease},
    },
};

/// While jobs wait, free slots are gathered until a quarter of the queue's are free, or for this long.
const GATHER: Duration = Duration::from_millis(1);
/// After this a job whose run an older release cannot read is due again.
const UNREADABLE: Duration = Duration::from_secs(60);

/// The slots of one queue, and the channel to its handlers.
pub(super) struct Lane {
    pub(super) queue: Queue,
    pub(super) slots: usize,
    pub(super) free: Arc<Semaphore>,
    pub(super) jobs: mpsc::Sender<ClaimedJob>,
}

/// Free slots, by queue.
type FreeSlots = Vec<(Queue, Vec<OwnedSemaphorePermit>)>;

/// What one claim leaves for the next.
#[derive(Default)]
struct ClaimState {
    /// Jobs with limited keys are due.
    guarded: bool,
    /// Since when the database has not answered.
    outage: Option<Instant>,
    /// The connection of the claims, kept while claims succeed.
    conn: Option<PoolConn>,
}

/// Claims until the worker stops.
pub(super) async fn run(shared: Shared, lanes: Vec<Lane>) {
    let mut state = ClaimState::default();
    loop {
        // Register interest before looking, so that a job or a slot that arrives meanwhile is not missed.
        let notified = shared.notifier.notified();
        let free = free_slots(&shared, &lanes);
        if free.is_empty() {
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => return,
                () = notified => continue,
            }
        }
        let free = gather_slots(&shared, &lanes, free).await;
        if shared.stop.is_cancelled() {
            return;
        }
        if let Err(error) = claim(&shared, &lanes, free, &mut state).await {
            let pause = log_outage(&error, &mut state);
            shared.notifier.notify_all();
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// The free slots of the queues in which jobs may be due.
fn free_slots(shared: &Shared, lanes: &[Lane]) -> FreeSlots {
    let due = lanes.iter().filter(|lane| shared.notifier.may_have_jobs(lane.queue));
    due.map(|lane| (lane.queue, take_free(lane))).filter(|(_, free)| !free.is_empty()).collect()
}

/// Waits a moment for more slots where only a few are free and the last claim filled all that it had.
async fn gather_slots(shared: &Shared, lanes: &[Lane], mut free: FreeSlots) -> FreeSlots {
    let deadline = Instant::now() + GATHER;
    let find = |queue: Queue| lanes.iter().find(|lane| lane.queue == queue);
    loop {
        let few = |(queue, free): &(Queue, Vec<_>)| {
            find(*queue)
                .is_some_and(|lane| shared.notifier.has_backlog(*queue) && free.len() * 4 < lane.slots)
        };
        if !free.iter().all(few) {
            return free;
        }
        let notified = shared.notifier.notified();
        if tokio::time::timeout_at(deadline, notified).await.is_err() {
            return free;
        }
        for (queue, free) in &mut free {
            free.extend(find(*queue).map(take_free).unwrap_or_default());
        }
    }
}

/// Claims due jobs for the free slots and dispatches them.
async fn claim(
    shared: &Shared,
    lanes: &[Lane],
    mut free: FreeSlots,
    state: &mut ClaimState,
) -> store::Result<()> {
    let (requested, guarded) = (Instant::now(), state.guarded);
    let wanted: Vec<(Queue, usize)> = free.iter().map(|(queue, free)| (*queue, free.len())).collect();
    wanted.iter().for_each(|(queue, _)| shared.notifier.clear(*queue));
    let batch = query(shared, &wanted, state).await?;
    let claimed = |queue: Queue| batch.claims.iter().filter(|claim| claim.lease.queue == queue).count();
    for (queue, slots) in wanted {
        // More jobs may be due where every slot was filled: claim again as soon as a slot is free.
        shared.notifier.set_backlog(queue, claimed(queue) == slots || (batch.guarded_due && !guarded));
        shared.notifier.set_shared(queue, batch.shared.iter().any(|name| name == queue.as_str()));
    }
    for claim in batch.claims {
        let queue = claim.lease.queue;
        let slot = free.iter_mut().find(|(of, _)| *of == queue).and_then(|(_, free)| free.pop());
        let Some(slot) = slot else { continue };
        let slot = Slot::new(slot, shared.notifier.clone());
        dispatch(shared, lanes, claim, batch.clock, slot, requested).await;
    }
    Ok(())
}

/// Runs the statement of a claim, over the connection of the last one if that succeeded.
async fn query(
    shared: &Shared,
    wanted: &[(Queue, usize)],
    state: &mut ClaimState,
) -> store::Result<ClaimBatch> {
    let request = ClaimRequest {
        worker: &shared.worker,
        lease: shared.timing.lease,
        suspects: !shared.runs_suspect(),
        guarded: state.guarded,
    };
    let mut conn = match state.conn.take() {
        Some(conn) => Some(conn),
        None => Some(shared.pool.acquire().await?),
    };
    let claim = async |conn: &mut store::Connection| job::claim(conn, wanted, request).await;
    let batch = store::with_timeout(shared.timing.lease * 2, &mut conn, claim).await?;
    state.conn = conn;
    state.guarded = batch.guarded_due;
    if state.outage.take().is_some() {
        tracing::info!("jobs can be claimed again");
    }
    Ok(batch)
}

/// Passes a claimed job to the handlers of its queue; after a stop it is released instead.
async fn dispatch(
    shared: &Shared,
    lanes: &[Lane],
    claim: Claim,
    clock: Clock,
    slot: Slot,
    requested: Instant,
) {
    let Claim { lease, stored } = claim;
    let lane = lanes.iter().find(|lane| lane.queue == lease.queue);
    let stored = match stored {
        Ok(stored) => stored,
        Err(error) => return unclaim(&shared.pool, &lease, &error).await,
    };
    let (guard, suspect) = (shared.heartbeat.register(&lease, requested), shared.guard_suspect(&lease));
    let job = ClaimedJob { lease, stored, clock, guard, _suspect: suspect, _slot: slot };
    // After a stop no handler begins a job, and those that run may take long.
    let refused = match lane {
        Some(lane) if !shared.stop.is_cancelled() => lane.jobs.send(job).await.err().map(|error| error.0),
        _ => Some(job),
    };
    if let Some(job) = refused {
        release(&shared.pool, &job.lease).await;
    }
}

/// Leaves a job whose run this release cannot read to a newer one.
async fn unclaim(pool: &Pool, lease: &Lease, error: &str) {
    tracing::warn!(run.id = %lease.run, "run {} is left to a newer release: {error}", lease.run);
    if let Err(error) = job::unclaim(pool, lease, UNREADABLE).await {
        tracing::warn!(run.id = %lease.run, %error, "could not unclaim job {}: {error}", lease.job);
    }
}

/// Logs an outage once and returns how long to wait before the next try.
fn log_outage(error: &store::Error, state: &mut ClaimState) -> Duration {
    let since = *state.outage.get_or_insert_with(|| {
        tracing::warn!(%error, "jobs cannot be claimed: {error}; retrying");
        Instant::now()
    });
    (since.elapsed() / 4).clamp(Duration::from_millis(200), Duration::from_secs(5))
}

fn take_free(lane: &Lane) -> Vec<OwnedSemaphorePermit> {
    std::iter::from_fn(|| Arc::clone(&lane.free).try_acquire_owned().ok()).collect()
}
