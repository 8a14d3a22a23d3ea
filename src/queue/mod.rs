//! Our apalis backend over the job table: claim, renew, wake, give back.
//!
//! A [`Source`] hands an apalis worker the jobs of one queue, at most as many as it has free slots; one feeder
//! claims for all of them.
//! Answers do not come back this way: the engine records them in the run's own transaction.

mod feeder;
mod heart;
mod wake;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::{
        Task,
        builder::TaskBuilder,
        task_id::{RandomId, TaskId},
    },
    worker::context::WorkerContext,
};
use futures::{FutureExt as _, future::BoxFuture};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower::layer::util::Identity;

use self::feeder::Lane;
pub use self::heart::Heart;
use self::heart::Pulse;
pub use self::wake::Wake;
use crate::{
    core::workflow::Queue,
    store::{
        self, Clock, Pool,
        job::{self, Lease},
        run::Stored,
    },
};

/// How patient a worker is.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long a claim holds without a renewal. A third of it passes between renewals.
    pub lease: Duration,
    /// How long an idle queue rests before it looks again without having been woken, on average.
    pub poll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { lease: Duration::from_secs(30), poll: Duration::from_secs(1) }
    }
}

/// A job that this worker holds. Dropping it ends the renewals and frees the slot.
#[derive(Debug)]
pub struct Held {
    /// The hold.
    pub lease: Lease,
    /// The run as it stood when the job was claimed; nobody else moves it while the hold lasts.
    pub run: Stored,
    /// The database's clock.
    pub clock: Clock,
    pulse: Pulse,
    _doubt: Option<Doubt>,
    _slot: Slot,
}

impl Held {
    /// Is cancelled once the lease is lost: whatever is being done must stop.
    #[must_use]
    pub fn lost(&self) -> CancellationToken {
        self.pulse.lost()
    }

    /// The job that follows in the same slot, under a lease that was asked for at `asked`.
    #[must_use]
    pub fn followed_by(self, hub: &Hub, lease: Lease, run: Stored, clock: Clock, asked: Instant) -> Self {
        let pulse = hub.heart.hold(&lease, asked);
        Self { lease, run, clock, pulse, _doubt: None, _slot: self._slot }
    }
}

/// A slot in use; dropping it tells the feeder.
#[derive(Debug)]
struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    wake: Wake,
}

impl Slot {
    const fn new(permit: OwnedSemaphorePermit, wake: Wake) -> Self {
        Self { permit: Some(permit), wake }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.wake.freed();
    }
}

/// A job that may kill its worker is being done here; the next such job waits until it is over.
#[derive(Debug)]
struct Doubt(Wake, Arc<AtomicBool>);

impl Drop for Doubt {
    fn drop(&mut self) {
        self.1.store(false, Ordering::SeqCst);
        self.0.ring(None);
    }
}

/// What a process shares among its queues.
#[derive(Clone)]
pub struct Hub {
    /// The database.
    pub pool: Pool,
    /// Renews every lease of the process.
    pub heart: Heart,
    /// Hears of new jobs.
    pub wake: Wake,
    /// How patient it is.
    pub timing: Timing,
    /// This process's name in attempts and events.
    pub worker: Arc<str>,
    /// Cancelled when no more jobs shall be claimed.
    pub stop: CancellationToken,
    /// A job that lost two workers is being done.
    pub suspect: Arc<AtomicBool>,
}

impl Hub {
    fn is_unsuspected(&self) -> bool {
        !self.suspect.load(Ordering::SeqCst)
    }

    fn doubt(&self, lease: &Lease) -> Option<Doubt> {
        lease.is_suspect().then(|| {
            self.suspect.store(true, Ordering::SeqCst);
            Doubt(self.wake.clone(), Arc::clone(&self.suspect))
        })
    }
}

/// The jobs of one queue, as an apalis backend.
pub struct Source {
    hub: Hub,
    jobs: mpsc::Receiver<Held>,
    feeder: Arc<Mutex<Option<JoinHandle<()>>>>,
    closing: Option<BoxFuture<'static, ()>>,
}

impl Source {
    /// Begins to claim jobs of these queues, at most so many at once of each.
    #[must_use]
    pub fn open(hub: &Hub, slots: impl IntoIterator<Item = (Queue, usize)>) -> Vec<(Queue, Self)> {
        let (mut lines, mut ends) = (Vec::new(), Vec::new());
        for (queue, slots) in slots.into_iter().filter(|(_, slots)| *slots > 0) {
            let (jobs, end) = mpsc::channel(slots);
            lines.push(Lane { queue, slots, free: Arc::new(Semaphore::new(slots)), jobs });
            ends.push((queue, end));
        }
        let (claiming, ended) = (hub.clone(), hub.stop.clone().drop_guard());
        let feeding = async move {
            // However it ends, nobody claims any more: what is under way is finished, and the worker goes.
            let _ended = ended;
            feeder::feed(claiming, lines).await;
        };
        let feeder = Arc::new(Mutex::new(Some(tokio::spawn(feeding))));
        let source = |jobs| Self { hub: hub.clone(), jobs, feeder: Arc::clone(&feeder), closing: None };
        ends.into_iter().map(|(queue, jobs)| (queue, source(jobs))).collect()
    }

    /// Stops claiming and gives back what no handler has begun.
    fn close(&mut self) -> BoxFuture<'static, ()> {
        self.hub.stop.cancel();
        let (_, empty) = mpsc::channel(1);
        let mut jobs = std::mem::replace(&mut self.jobs, empty);
        let (pool, feeder) = (self.hub.pool.clone(), Arc::clone(&self.feeder));
        async move {
            // Whoever comes first waits for the feeder; its end closes the other queues' ways too.
            let feeding = feeder.lock().await.take();
            if let Some(feeding) = feeding {
                let _ = feeding.await;
            }
            jobs.close();
            while let Some(held) = jobs.recv().await {
                give_back(&pool, &held.lease).await;
            }
        }
        .boxed()
    }
}

impl Backend for Source {
    type Task = Task<Held>;
    type Error = store::Error;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Self::Error>>> {
        self.jobs.poll_recv(context).map(|held| {
            held.map(|held| {
                Ok(TaskBuilder::new(held).task_id(TaskId::from_string(RandomId::default())).build())
            })
        })
    }

    fn poll_close(&mut self, context: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Self::Error>> {
        if self.closing.is_none() {
            self.closing = Some(self.close());
        }
        match &mut self.closing {
            Some(closing) => closing.poll_unpin(context).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl BackendConfig for Source {
    type Args = Held;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = Timing;
    type Layer = Identity;

    fn config(&self) -> &Timing {
        &self.hub.timing
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}

/// Gives a job back; if that fails its lease runs out by itself, so the failure is only told.
pub async fn give_back(pool: &Pool, lease: &Lease) {
    if let Err(error) = job::give_back(pool, lease).await {
        tracing::warn!(job = lease.job, run.id = %lease.run, %error, "could not give job {} back", lease.job);
    }
}

/// Leaves a job whose run this release cannot read to a newer one, for a minute.
async fn put_off(pool: &Pool, lease: &Lease, error: &str) {
    tracing::warn!(run.id = %lease.run, "run {} is left to a newer release: {error}", lease.run);
    if let Err(error) = job::leave(pool, lease, Duration::from_secs(60)).await {
        tracing::warn!(run.id = %lease.run, %error, "could not leave job {}: {error}", lease.job);
    }
}
