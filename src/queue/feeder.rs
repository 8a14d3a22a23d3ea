//! Claims due jobs into the free slots of its worker, all queues in one statement.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};

use super::{Held, Hub, Slot, give_back};
use crate::{
    core::workflow::Queue,
    store::{
        self, Line,
        job::{self, Claim, Terms},
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
struct Memory {
    /// Jobs with limited keys are due.
    guarded: bool,
    /// Since when the database has not answered.
    outage: Option<Instant>,
    /// The connection for claims, kept while jobs come one after the other.
    line: Option<Line>,
}

/// Claims until the hub stops.
pub(super) async fn feed(hub: Hub, lines: Vec<Lane>) {
    let mut memory = Memory::default();
    loop {
        // Register interest before looking, so that a job or a slot that comes meanwhile is not missed.
        let news = hub.wake.news();
        let room = room(&hub, &lines);
        if room.is_empty() {
            tokio::select! {
                biased;
                () = hub.stop.cancelled() => return,
                () = news => continue,
            }
        }
        let room = gathered(&hub, &lines, room).await;
        if hub.stop.is_cancelled() {
            return;
        }
        if let Err(error) = claim(&hub, &lines, room, &mut memory).await {
            let rest = tell_of(&error, &mut memory);
            hub.wake.ring(None);
            tokio::select! {
                biased;
                () = hub.stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }
}

/// The free slots of the queues in which jobs may be due.
fn room(hub: &Hub, lines: &[Lane]) -> Vec<(Queue, Vec<OwnedSemaphorePermit>)> {
    let hungry = lines.iter().filter(|line| hub.wake.may_have(line.queue));
    hungry.map(|line| (line.queue, permits(line))).filter(|(_, free)| !free.is_empty()).collect()
}

/// Waits a moment for more slots where only a few of many are free and the last claim filled all it had.
async fn gathered(
    hub: &Hub,
    lines: &[Lane],
    mut room: Vec<(Queue, Vec<OwnedSemaphorePermit>)>,
) -> Vec<(Queue, Vec<OwnedSemaphorePermit>)> {
    let deadline = Instant::now() + GATHER;
    let find = |queue: Queue| lines.iter().find(|line| line.queue == queue);
    loop {
        let few = |(queue, free): &(Queue, Vec<_>)| {
            find(*queue).is_some_and(|line| hub.wake.is_backlog(*queue) && free.len() * 4 < line.slots)
        };
        if !room.iter().all(few) {
            return room;
        }
        let news = hub.wake.news();
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
    hub: &Hub,
    lines: &[Lane],
    room: Vec<(Queue, Vec<OwnedSemaphorePermit>)>,
    memory: &mut Memory,
) -> store::Result<()> {
    let (asked, guarded) = (Instant::now(), memory.guarded);
    let wanted: Vec<(Queue, usize)> = room.iter().map(|(queue, free)| (*queue, free.len())).collect();
    for (queue, _) in &wanted {
        hub.wake.looked(*queue);
    }
    let terms =
        Terms { worker: &hub.worker, lease: hub.timing.lease, suspects: hub.is_unsuspected(), guarded };
    let mut line = match memory.line.take() {
        Some(line) => Some(line),
        None => Some(hub.pool.acquire().await?),
    };
    let claim = async |line: &mut store::Connection| job::claim(line, &wanted, terms).await;
    let taken = store::within(hub.timing.lease * 2, &mut line, claim).await?;
    memory.line = line;
    if memory.outage.take().is_some() {
        tracing::info!("jobs can be claimed again");
    }
    memory.guarded = taken.guarded_due;
    let counts = |queue: Queue| taken.claims.iter().filter(|claim| claim.lease.queue == queue).count();
    for (queue, slots) in wanted {
        // Whoever was filled to the brim looks again as soon as there is room.
        hub.wake.backlog(queue, counts(queue) == slots || (taken.guarded_due && !guarded));
        hub.wake.shared(queue, taken.shared.iter().any(|word| word == queue.word()));
    }
    let mut room = room;
    for claim in taken.claims {
        let queue = claim.lease.queue;
        let Some(slot) = room.iter_mut().find(|(of, _)| *of == queue).and_then(|(_, free)| free.pop()) else {
            continue;
        };
        hand_out(hub, lines, claim, taken.clock, Slot::new(slot, hub.wake.clone()), asked).await;
    }
    Ok(())
}

async fn hand_out(hub: &Hub, lines: &[Lane], claim: Claim, clock: store::Clock, slot: Slot, asked: Instant) {
    let Claim { lease, run } = claim;
    let line = lines.iter().find(|line| line.queue == lease.queue);
    let run = match run {
        Ok(run) => run,
        Err(error) => return super::put_off(&hub.pool, &lease, &error).await,
    };
    let (pulse, doubt) = (hub.heart.hold(&lease, asked), hub.doubt(&lease));
    let held = Held { lease, run, clock, pulse, _doubt: doubt, _slot: slot };
    // Nobody begins it any more, and whatever runs may take long to end.
    let refused = match line {
        Some(line) if !hub.stop.is_cancelled() => line.jobs.send(held).await.err().map(|error| error.0),
        _ => Some(held),
    };
    if let Some(held) = refused {
        give_back(&hub.pool, &held.lease).await;
    }
}

/// Tells of an outage once, and how long to rest before the next try.
fn tell_of(error: &store::Error, memory: &mut Memory) -> Duration {
    let since = *memory.outage.get_or_insert_with(|| {
        tracing::warn!(%error, "jobs cannot be claimed: {error}; trying on");
        Instant::now()
    });
    (since.elapsed() / 4).clamp(Duration::from_millis(200), Duration::from_secs(5))
}

fn permits(line: &Lane) -> Vec<OwnedSemaphorePermit> {
    std::iter::from_fn(|| Arc::clone(&line.free).try_acquire_owned().ok()).collect()
}
