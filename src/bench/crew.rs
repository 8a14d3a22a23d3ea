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

use super::ground::Database;
use crate::{
    activities::{Assignment, Failure, Perform, Reply},
    core::{
        run::Progress,
        workflow::{Outcome, Queue},
    },
    engine::{Answer, Engine, group_commit::Grouping},
    store,
    worker::{self, Config},
};

/// After so long without any step the rest is given up, and told as lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a worker commits its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commits {
    /// Each alone.
    Alone,
    /// As the worker does by default.
    Grouped,
}

/// How a measured worker is set up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    /// How many jobs it does at once.
    pub(super) slots: usize,
    /// The connections of its pool.
    pub(super) connections: u32,
    /// How it commits.
    pub(super) commits: Commits,
}

/// Answers at once, and remembers when each attempt began.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    begun: AtomicUsize,
    /// The first beginning of each run, if they are kept.
    firsts: Option<Mutex<HashMap<Uuid, Instant>>>,
    ring: Notify,
}

impl Prompt {
    /// One that keeps when each run was first worked on.
    pub(super) fn remembering() -> Self {
        Self { firsts: Some(Mutex::default()), ..Self::default() }
    }

    /// How many attempts have begun.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// When a run was first worked on.
    pub(super) fn first(&self, run: Uuid) -> Option<Instant> {
        self.firsts.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).get(&run).copied()
    }

    /// Waits until `count` attempts have begun and no job is left; false if nothing moved for a minute.
    pub(super) async fn finished(&self, engine: &Engine, count: usize) -> anyhow::Result<bool> {
        let (mut seen, mut moved) = (0, Instant::now());
        loop {
            let begun = self.begun();
            if begun >= count && !store::replay::has_jobs(engine.pool()).await? {
                return Ok(true);
            }
            if begun > seen {
                (seen, moved) = (begun, Instant::now());
            }
            if moved.elapsed() > PATIENCE {
                return Ok(false);
            }
            // The last answers are being written, or the next notice is near.
            let rest = if begun >= count { 2 } else { 50 };
            let _ = tokio::time::timeout(Duration::from_millis(rest), self.ring.notified()).await;
        }
    }
}

impl Perform for Prompt {
    fn perform(&self, assignment: Assignment) -> BoxFuture<'_, Result<Reply, Failure>> {
        if let Some(firsts) = &self.firsts {
            let now = Instant::now();
            let mut firsts = firsts.lock().unwrap_or_else(PoisonError::into_inner);
            firsts.entry(assignment.lease.run).or_insert(now);
        }
        if (self.begun.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(1_000) {
            self.ring.notify_one();
        }
        let answer =
            Answer { outcome: Outcome::Clean, note: "clean".to_owned(), progress: Progress::default() };
        std::future::ready(Ok(Reply::Answer(answer))).boxed()
    }
}

/// A worker at work; dropping it stops it.
pub(super) struct Crew {
    working: JoinHandle<anyhow::Result<()>>,
    stop: DropGuard,
}

impl Crew {
    /// Starts one.
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

    /// Stops it and waits until it has.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        drop(self.stop);
        self.working.await.context("the measured worker crashed")?
    }
}

fn config(setup: Setup) -> Config {
    let slots = [(Queue::Default, setup.slots), (Queue::Llm, 0), (Queue::Github, 0)];
    committing(Config { slots, ..Config::named("bench") }, setup)
}

/// The one place where a worker is told how to commit its answers.
fn committing(config: Config, setup: Setup) -> Config {
    // Each commits alone over a connection of its own; the claims need one too, and the news another.
    let commits = match setup.commits {
        Commits::Alone => Grouping { most: 1, at_once: setup.connections.saturating_sub(4).max(1) as usize },
        Commits::Grouped => Grouping::default(),
    };
    Config { commits, ..config }
}
