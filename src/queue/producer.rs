//! Claims due jobs into the free slots of its worker, all queues in one statement.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};

use super::{Held, Shared, Slot, give_back};
use crate::{
    core::workflow::Queue,
    store::{
        self, PoolConn,
        job::{self, Claim, ClaimRequest},
    },
};

/// While jobs wait, slots that come free are filled a quarter at a time, or after this.
const GATHER: Duration = Duration::from_millis(1);

/// The slots of one queue, and the way to its handlers.
pub(super) struct Lane {
    pub(super) queue: Queue,
    pub(super) slots: usize,
    pub(super) free: Arc<Semaphore>,
    pub(super) jobs: mpsc::Sender<Held>,
}

/// What a claim leaves for the next one to know.
#[derive(Default)]
struct ClaimState {
    /// Jobs with limited keys are due.
    guarded: bool,
    /// Since when the database has not answered.
    outage: Option<Instant>,
    /// The connection for claims, kept while jobs come one after the other.
    conn: Option<PoolConn>,
}

/// Claims until the shared stops.
pub(super) async fn run(shared: Shared, lanes: Vec<Lane>) {
    let mut state = ClaimState::default();
    loop {
        // Register interest before looking, so that a job or a slot that comes meanwhile is not missed.
        let news = shared.notifier.news();
        let room = room(&shared, &lanes);
        if room.is_empty() {
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => return,
                () = news => continue,
            }
        }
        let room = gathered(&shared, &lanes, room).await;
        if shared.stop.is_cancelled() {
            return;
        }
        if let Err(error) = claim(&shared, &lanes, room, &mut state).await {
            let rest = tell_of(&error, &mut state);
            shared.notifier.notify(None);
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }
}

/// The free slots of the queues in which jobs may be due.
fn room(shared: &Shared, lanes: &[Lane]) -> Vec<(Queue, Vec<OwnedSemaphorePermit>)> {
    let hungry = lanes.iter().filter(|lane| shared.notifier.may_have(lane.queue));
    hungry.map(|lane| (lane.queue, permits(lane))).filter(|(_, free)| !free.is_empty()).collect()
}

/// Waits a moment for more slots where only a few of many are free and the last claim filled all it had.
async fn gathered(
    shared: &Shared,
    lanes: &[Lane],
    mut room: Vec<(Queue, Vec<OwnedSemaphorePermit>)>,
) -> Vec<(Queue, Vec<OwnedSemaphorePermit>)> {
    let deadline = Instant::now() + GATHER;
    let find = |queue: Queue| lanes.iter().find(|lane| lane.queue == queue);
    loop {
        let few = |(queue, free): &(Queue, Vec<_>)| {
            find(*queue).is_some_and(|lane| shared.notifier.is_backlog(*queue) && free.len() * 4 < lane.slots)
        };
        if !room.iter().all(few) {
            return room;
        }
        let news = shared.notifier.news();
        if tokio::time::timeout_at(deadline, news).await.is_err() {
            return room;
        }
        for (queue, free) in &mut room {
            free.extend(find(*queue).map(permits).unwrap_or_default());
        }
    }
}

/// Fills the slots with due jobs.
async fn claim(
    shared: &Shared,
    lanes: &[Lane],
    room: Vec<(Queue, Vec<OwnedSemaphorePermit>)>,
    state: &mut ClaimState,
) -> store::Result<()> {
    let (asked, guarded) = (Instant::now(), state.guarded);
    let wanted: Vec<(Queue, usize)> = room.iter().map(|(queue, free)| (*queue, free.len())).collect();
    for (queue, _) in &wanted {
        shared.notifier.looked(*queue);
    }
    let request = ClaimRequest {
        worker: &shared.worker,
        lease: shared.timing.lease,
        suspects: shared.is_unsuspected(),
        guarded,
    };
    let mut conn = match state.conn.take() {
        Some(conn) => Some(conn),
        None => Some(shared.pool.acquire().await?),
    };
    let claim = async |conn: &mut store::Connection| job::claim(conn, &wanted, request).await;
    let taken = store::with_timeout(shared.timing.lease * 2, &mut conn, claim).await?;
    state.conn = conn;
    if state.outage.take().is_some() {
        tracing::info!("jobs can be claimed again");
    }
    state.guarded = taken.guarded_due;
    let counts = |queue: Queue| taken.claims.iter().filter(|claim| claim.lease.queue == queue).count();
    for (queue, slots) in wanted {
        // Whoever was filled to the brim looks again as soon as there is room.
        shared.notifier.backlog(queue, counts(queue) == slots || (taken.guarded_due && !guarded));
        shared.notifier.shared(queue, taken.shared.iter().any(|word| word == queue.as_str()));
    }
    let mut room = room;
    for claim in taken.claims {
        let queue = claim.lease.queue;
        let Some(slot) = room.iter_mut().find(|(of, _)| *of == queue).and_then(|(_, free)| free.pop()) else {
            continue;
        };
        hand_out(shared, lanes, claim, taken.clock, Slot::new(slot, shared.notifier.clone()), asked).await;
    }
    Ok(())
}

async fn hand_out(
    shared: &Shared,
    lanes: &[Lane],
    claim: Claim,
    clock: store::Clock,
    slot: Slot,
    asked: Instant,
) {
    let Claim { lease, run } = claim;
    let lane = lanes.iter().find(|lane| lane.queue == lease.queue);
    let run = match run {
        Ok(run) => run,
        Err(error) => return super::put_off(&shared.pool, &lease, &error).await,
    };
    let (guard, suspect) = (shared.heartbeat.register(&lease, asked), shared.guard_suspect(&lease));
    let held = Held { lease, run, clock, guard, _suspect: suspect, _slot: slot };
    // Nobody begins it any more, and whatever runs may take long to end.
    let refused = match lane {
        Some(lane) if !shared.stop.is_cancelled() => lane.jobs.send(held).await.err().map(|error| error.0),
        _ => Some(held),
    };
    if let Some(held) = refused {
        give_back(&shared.pool, &held.lease).await;
    }
}

/// Tells of an outage once, and how long to rest before the next try.
fn tell_of(error: &store::Error, state: &mut ClaimState) -> Duration {
    let since = *state.outage.get_or_insert_with(|| {
        tracing::warn!(%error, "jobs cannot be claimed: {error}; trying on");
        Instant::now()
    });
    (since.elapsed() / 4).clamp(Duration::from_millis(200), Duration::from_secs(5))
}

fn permits(lane: &Lane) -> Vec<OwnedSemaphorePermit> {
    std::iter::from_fn(|| Arc::clone(&lane.free).try_acquire_owned().ok()).collect()
}
