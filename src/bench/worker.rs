//! The worker that is measured: the real one, with activities that answer at once.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures::{FutureExt as _, future::BoxFuture};
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::server::Database;
use crate::{
    activities::{Assignment, Failure, Perform, Reply},
    core::{
        run::Progress,
        workflow::{Outcome, Queue},
    },
    engine::{Answer, Engine, group_commit::BatchLimits},
    store,
    worker::{self, Config},
};

/// After so long without any step the rest is given up and reported as lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a worker commits its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commits {
    /// One commit for each answer.
    Alone,
    /// In batches, as the worker does by default.
    Batched,
}

/// The settings of a measured worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    /// How many jobs it does at once.
    pub(super) slots: usize,
    /// The connections of its pool.
    pub(super) connections: u32,
    /// How it commits.
    pub(super) commits: Commits,
}

/// Activities that answer at once. They count the attempts.
#[derive(Debug, Default)]
pub(super) struct InstantActivities {
    begun: AtomicUsize,
    /// When the first attempt at each run began, if that is recorded.
    first_attempts: Option<Mutex<HashMap<Uuid, Instant>>>,
    progress: Notify,
}

impl InstantActivities {
    /// Also records when the first attempt at each run began.
    pub(super) fn with_first_attempts() -> Self {
        Self { first_attempts: Some(Mutex::default()), ..Self::default() }
    }

    /// How many attempts have begun.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// When the first attempt at a run began.
    pub(super) fn first_attempt(&self, run: Uuid) -> Option<Instant> {
        self.first_attempts.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).get(&run).copied()
    }

    /// Waits until `count` attempts have begun and no job is left; false if no attempt began for a minute.
    pub(super) async fn finished(&self, engine: &Engine, count: usize) -> anyhow::Result<bool> {
        let (mut seen, mut seen_at) = (0, Instant::now());
        loop {
            let begun = self.begun();
            if begun >= count && !store::replay::has_jobs(engine.pool()).await? {
                return Ok(true);
            }
            if begun > seen {
                (seen, seen_at) = (begun, Instant::now());
            }
            if seen_at.elapsed() > PATIENCE {
                return Ok(false);
            }
            // The last answers are being recorded, or the next notification is near.
            let pause = if begun >= count { 2 } else { 50 };
            let _ = tokio::time::timeout(Duration::from_millis(pause), self.progress.notified()).await;
        }
    }
}

impl Perform for InstantActivities {
    fn perform(&self, assignment: Assignment) -> BoxFuture<'_, Result<Reply, Failure>> {
        if let Some(first_attempts) = &self.first_attempts {
            let now = Instant::now();
            let mut first_attempts = first_attempts.lock().unwrap_or_else(PoisonError::into_inner);
            first_attempts.entry(assignment.lease.run).or_insert(now);
        }
        if (self.begun.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(1_000) {
            self.progress.notify_one();
        }
        let answer =
            Answer { outcome: Outcome::Clean, note: "clean".to_owned(), progress: Progress::default() };
        std::future::ready(Ok(Reply::Answer(answer))).boxed()
    }
}

/// A running worker; dropping it stops it.
pub(super) struct BenchWorker {
    working: JoinHandle<anyhow::Result<()>>,
    stop: DropGuard,
}

impl BenchWorker {
    /// Starts one on a database.
    pub(super) async fn start(
        database: &Database,
        engine: Engine,
        perform: Arc<dyn Perform>,
        setup: Setup,
    ) -> anyhow::Result<Self> {
        let reserved = store::connect(&database.url, 1).await?;
        let stop = CancellationToken::new();
        let working = tokio::spawn(worker::work(engine, reserved, perform, config(setup), stop.clone()));
        Ok(Self { working, stop: stop.drop_guard() })
    }

    /// Stops it and waits for its end.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        drop(self.stop);
        self.working.await.context("the measured worker crashed")?
    }
}

fn config(setup: Setup) -> Config {
    let slots = [(Queue::Default, setup.slots), (Queue::Llm, 0), (Queue::Github, 0)];
    Config { slots, batches: batches(setup), ..Config::named("bench") }
}

fn batches(setup: Setup) -> BatchLimits {
    match setup.commits {
        // Each commit has a connection of its own; the claims and the listener need some too.
        Commits::Alone => {
            BatchLimits { size: 1, concurrency: setup.connections.saturating_sub(4).max(1) as usize }
        }
        Commits::Batched => BatchLimits::default(),
    }
}
