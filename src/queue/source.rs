//! The jobs of one queue, as apalis asks for them.

use std::{
    sync::Arc,
    task::{Context, Poll},
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
    sync::{Mutex, Semaphore, mpsc},
    task::JoinHandle,
};
use tower::layer::util::Identity;

use super::{
    ClaimedJob, Shared, Timing,
    producer::{self, Lane},
    release,
};
use crate::{core::workflow::Queue, store};

/// The jobs of one queue, as an apalis backend.
pub struct Source {
    shared: Shared,
    jobs: mpsc::Receiver<ClaimedJob>,
    /// The producer of all queues; the source that closes first waits for its end.
    producer: Arc<Mutex<Option<JoinHandle<()>>>>,
    closing: Option<BoxFuture<'static, ()>>,
}

impl Source {
    /// Starts to claim jobs of these queues, at most so many at once of each.
    #[must_use]
    pub fn open(shared: &Shared, slots: impl IntoIterator<Item = (Queue, usize)>) -> Vec<(Queue, Self)> {
        let (mut lanes, mut receivers) = (Vec::new(), Vec::new());
        for (queue, slots) in slots.into_iter().filter(|(_, slots)| *slots > 0) {
            let (jobs, receiver) = mpsc::channel(slots);
            lanes.push(Lane { queue, slots, free: Arc::new(Semaphore::new(slots)), jobs });
            receivers.push((queue, receiver));
        }
        let (claiming, stop_at_end) = (shared.clone(), shared.stop.clone().drop_guard());
        let producing = async move {
            // However the producer ends, the worker then finishes its jobs and stops.
            let _stop_at_end = stop_at_end;
            producer::run(claiming, lanes).await;
        };
        let producer = Arc::new(Mutex::new(Some(tokio::spawn(producing))));
        let source =
            |jobs| Self { shared: shared.clone(), jobs, producer: Arc::clone(&producer), closing: None };
        receivers.into_iter().map(|(queue, jobs)| (queue, source(jobs))).collect()
    }

    /// Stops claiming and releases the jobs that no handler has begun.
    fn close(&mut self) -> BoxFuture<'static, ()> {
        self.shared.stop.cancel();
        let (_, empty) = mpsc::channel(1);
        let mut jobs = std::mem::replace(&mut self.jobs, empty);
        let (pool, producer) = (self.shared.pool.clone(), Arc::clone(&self.producer));
        async move {
            // The end of the producer closes the channels of all queues.
            let producing = producer.lock().await.take();
            if let Some(producing) = producing {
                let _ = producing.await;
            }
            jobs.close();
            while let Some(job) = jobs.recv().await {
                release(&pool, &job.lease).await;
            }
        }
        .boxed()
    }
}

impl Backend for Source {
    type Task = Task<ClaimedJob>;
    type Error = store::Error;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Self::Error>>> {
        self.jobs.poll_recv(context).map(|job| {
            job.map(|job| Ok(TaskBuilder::new(job).task_id(TaskId::from_string(RandomId::default())).build()))
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
    type Args = ClaimedJob;
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
