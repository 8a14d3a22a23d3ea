//! Our apalis backend over the job table: claim, renew, wake, give back.
//!
//! A [`Source`] hands an apalis worker the jobs of one queue, at most as many as it has free slots.
//! Answers do not come back this way: the engine records them in the run's own transaction.

mod feeder;
mod heart;
mod wake;

use std::{
    sync::Arc,
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
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tower::layer::util::Identity;

pub use self::heart::Heart;
use self::heart::Pulse;
pub use self::wake::Wake;
use crate::{
    core::workflow::Queue,
    store::{
        self, Pool,
        job::{self, Lease},
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
    /// The queue it came from.
    pub queue: Queue,
    pulse: Pulse,
    _slot: OwnedSemaphorePermit,
}

impl Held {
    /// Is cancelled once the lease is lost: whatever is being done must stop.
    #[must_use]
    pub fn lost(&self) -> CancellationToken {
        self.pulse.lost()
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
}

/// The jobs of one queue, as an apalis backend.
pub struct Source {
    hub: Hub,
    queue: Queue,
    jobs: mpsc::Receiver<Held>,
    feeder: Option<JoinHandle<()>>,
    closing: Option<BoxFuture<'static, ()>>,
}

impl Source {
    /// Begins to claim jobs of `queue`, at most `slots` at once.
    #[must_use]
    pub fn open(hub: Hub, queue: Queue, slots: usize) -> Self {
        let (send, jobs) = mpsc::channel(slots.max(1));
        let feeder = tokio::spawn(feeder::feed(hub.clone(), queue, slots.max(1), send));
        Self { hub, queue, jobs, feeder: Some(feeder), closing: None }
    }

    /// Stops claiming and gives back what no handler has begun.
    fn close(&mut self) -> BoxFuture<'static, ()> {
        self.hub.stop.cancel();
        let (_, empty) = mpsc::channel(1);
        let mut jobs = std::mem::replace(&mut self.jobs, empty);
        let (pool, queue, feeder) = (self.hub.pool.clone(), self.queue, self.feeder.take());
        async move {
            if let Some(feeder) = feeder {
                let _ = feeder.await;
            }
            jobs.close();
            while let Some(held) = jobs.recv().await {
                give_back(&pool, &held.lease, queue).await;
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
pub async fn give_back(pool: &Pool, lease: &Lease, queue: Queue) {
    if let Err(error) = job::give_back(pool, lease, queue).await {
        tracing::warn!(job = lease.job, run.id = %lease.run, %error, "could not give job {} back", lease.job);
    }
}
