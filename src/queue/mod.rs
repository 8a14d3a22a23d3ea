//! Our apalis backend over the job table: claim, renew, wake, give back.
//!
//! A [`Source`] hands an apalis worker the jobs of one queue, at most as many as it has free slots; one producer
//! claims for all of them.
//! Answers do not come back this way: the engine records them in the run's own transaction.

mod heartbeat;
mod notifier;
mod producer;

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

use self::heartbeat::Guard;
pub use self::heartbeat::Heartbeat;
pub use self::notifier::Notifier;
use self::producer::Lane;
use crate::{
    core::workflow::Queue,
    store::{
        self, Clock, Pool,
        job::{self, Lease},
        run::StoredRun,
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
    pub run: StoredRun,
    /// The database's clock.
    pub clock: Clock,
    guard: Guard,
    _suspect: Option<SuspectGuard>,
    _slot: Slot,
}

impl Held {
    /// Is cancelled once the lease is lost: whatever is being done must stop.
    #[must_use]
    pub fn lost(&self) -> CancellationToken {
        self.guard.lost()
    }

    /// The job that follows in the same slot, under a lease that was asked for at `asked`.
    #[must_use]
    pub fn followed_by(
        self,
        shared: &Shared,
        lease: Lease,
        run: StoredRun,
        clock: Clock,
        asked: Instant,
    ) -> Self {
        let guard = shared.heartbeat.register(&lease, asked);
        Self { lease, run, clock, guard, _suspect: None, _slot: self._slot }
    }
}

/// A slot in use; dropping it tells the producer.
#[derive(Debug)]
struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    notifier: Notifier,
}

impl Slot {
    const fn new(permit: OwnedSemaphorePermit, notifier: Notifier) -> Self {
        Self { permit: Some(permit), notifier }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.notifier.freed();
    }
}

/// A job that may kill its worker is being done here; the next such job waits until it is over.
#[derive(Debug)]
struct SuspectGuard(Notifier, Arc<AtomicBool>);

impl Drop for SuspectGuard {
    fn drop(&mut self) {
        self.1.store(false, Ordering::SeqCst);
        self.0.notify(None);
    }
}

/// What a process shares among its queues.
#[derive(Clone)]
pub struct Shared {
    /// The database.
    pub pool: Pool,
    /// Renews every lease of the process.
    pub heartbeat: Heartbeat,
    /// Hears of new jobs.
    pub notifier: Notifier,
    /// How patient it is.
    pub timing: Timing,
    /// This process's name in attempts and events.
    pub worker: Arc<str>,
    /// Cancelled when no more jobs shall be claimed.
    pub stop: CancellationToken,
    /// A job that lost two workers is being done.
    pub suspect: Arc<AtomicBool>,
}

impl Shared {
    fn is_unsuspected(&self) -> bool {
        !self.suspect.load(Ordering::SeqCst)
    }

    fn guard_suspect(&self, lease: &Lease) -> Option<SuspectGuard> {
        lease.is_suspect().then(|| {
            self.suspect.store(true, Ordering::SeqCst);
            SuspectGuard(self.notifier.clone(), Arc::clone(&self.suspect))
        })
    }
}

/// The jobs of one queue, as an apalis backend.
pub struct Source {
    shared: Shared,
    jobs: mpsc::Receiver<Held>,
    producer: Arc<Mutex<Option<JoinHandle<()>>>>,
    closing: Option<BoxFuture<'static, ()>>,
}

impl Source {
    /// Begins to claim jobs of these queues, at most so many at once of each.
    #[must_use]
    pub fn open(shared: &Shared, slots: impl IntoIterator<Item = (Queue, usize)>) -> Vec<(Queue, Self)> {
        let (mut lanes, mut ends) = (Vec::new(), Vec::new());
        for (queue, slots) in slots.into_iter().filter(|(_, slots)| *slots > 0) {
            let (jobs, end) = mpsc::channel(slots);
            lanes.push(Lane { queue, slots, free: Arc::new(Semaphore::new(slots)), jobs });
            ends.push((queue, end));
        }
        let (claiming, ended) = (shared.clone(), shared.stop.clone().drop_guard());
        let producing = async move {
            // However it ends, nobody claims any more: what is under way is finished, and the worker goes.
            let _ended = ended;
            producer::run(claiming, lanes).await;
        };
        let producer = Arc::new(Mutex::new(Some(tokio::spawn(producing))));
        let source =
            |jobs| Self { shared: shared.clone(), jobs, producer: Arc::clone(&producer), closing: None };
        ends.into_iter().map(|(queue, jobs)| (queue, source(jobs))).collect()
    }

    /// Stops claiming and gives back what no handler has begun.
    fn close(&mut self) -> BoxFuture<'static, ()> {
        self.shared.stop.cancel();
        let (_, empty) = mpsc::channel(1);
        let mut jobs = std::mem::replace(&mut self.jobs, empty);
        let (pool, producer) = (self.shared.pool.clone(), Arc::clone(&self.producer));
        async move {
            // Whoever comes first waits for the producer; its end closes the other queues' ways too.
            let producing = producer.lock().await.take();
            if let Some(producing) = producing {
                let _ = producing.await;
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
        &self.shared.timing
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
