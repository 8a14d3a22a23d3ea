//! Workers whose activities are closures.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aspora::{
    activities::{Assignment, Failure, Perform, Reply},
    core::workflow::{Activity, Outcome, Queue},
    engine::Engine,
    queue::Timing,
    store,
    worker::{self, Config},
};
use futures::{FutureExt as _, future::BoxFuture};
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::support::{answer, eventually};

/// An interval so long that only a notification ends it within a test.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

struct Scripted<F>(F);

impl<F, R> Perform for Scripted<F>
where
    F: Fn(Assignment) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Reply, Failure>> + Send + 'static,
{
    fn perform(&self, assignment: Assignment) -> BoxFuture<'_, Result<Reply, Failure>> {
        (self.0)(assignment).boxed()
    }
}

/// A running worker.
pub(crate) struct Worker {
    stop: CancellationToken,
    working: JoinHandle<anyhow::Result<()>>,
}

impl Worker {
    /// Stops it, as a SIGTERM does, and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.stopped().await;
    }

    pub(crate) fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn stopped(self) {
        let stopped = tokio::time::timeout(Duration::from_secs(60), self.working).await;
        stopped.expect("the worker does not stop").unwrap().unwrap();
    }
}

/// A worker whose leases outlast the test, and that polls 20 times a second.
pub(crate) fn config(name: &str) -> Config {
    let timing = Timing { lease: Duration::from_secs(60), poll: Duration::from_millis(50) };
    Config { timing, drain: Duration::from_secs(30), ..Config::named(name) }
}

/// Starts a worker on the database of `engine`.
pub(crate) async fn work<F, R>(engine: &Engine, config: Config, perform: F) -> Worker
where
    F: Fn(Assignment) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Reply, Failure>> + Send + 'static,
{
    let options = (*engine.pool().connect_options()).clone();
    let reserved =
        sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let stop = CancellationToken::new();
    let perform = Arc::new(Scripted(perform));
    let working = tokio::spawn(worker::work(engine.clone(), reserved, perform, config, stop.clone()));
    Worker { stop, working }
}

/// The answer that moves a run towards its merge.
pub(crate) fn happy_reply(assignment: &Assignment) -> Reply {
    Reply::Answer(answer(match assignment.activity {
        Activity::Reproduce => Outcome::Reproduced,
        Activity::Close => Outcome::Converted,
        Activity::Generate => Outcome::Opened,
        Activity::Gate => Outcome::Passed,
        Activity::Review => Outcome::Clean,
        Activity::Verdict => Outcome::Cleared,
        Activity::Merge | Activity::Judge => Outcome::Merged,
        Activity::Test => Outcome::Tested,
        Activity::Remediate | Activity::Update => Outcome::Pushed,
    }))
}

/// Slots for the first step only.
pub(crate) fn only_first_step(config: Config, slots: usize) -> Config {
    Config { slots: [(Queue::Default, 0), (Queue::Llm, slots), (Queue::Github, 0)], ..config }
}

/// Counts events.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

impl Counter {
    /// Counts one more and returns the sum.
    pub(crate) fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) async fn reaches(&self, count: usize, what: &str) {
        eventually(what, async || self.count() >= count).await;
    }

    /// Counts one when the value is dropped, as happens to an attempt that ends or is cancelled.
    pub(crate) fn on_drop(&self) -> impl Drop + Send + use<> {
        struct Counted(Counter);
        impl Drop for Counted {
            fn drop(&mut self) {
                self.0.add();
            }
        }
        Counted(self.clone())
    }
}

/// Holds attempts until they are released.
#[derive(Clone)]
pub(crate) struct Latch {
    pub(crate) started: Counter,
    pub(crate) ended: Counter,
    permits: Arc<Semaphore>,
}

impl Latch {
    pub(crate) fn new() -> Self {
        Self { started: Counter::default(), ended: Counter::default(), permits: Arc::new(Semaphore::new(0)) }
    }

    /// Waits until released or cancelled; the latch counts the start and either end.
    pub(crate) async fn wait(self) {
        let _ended = self.ended.on_drop();
        self.started.add();
        self.permits.acquire().await.unwrap().forget();
    }

    /// A handler that waits for this latch and then answers with success.
    pub(crate) fn handler(
        &self,
    ) -> impl Fn(Assignment) -> BoxFuture<'static, Result<Reply, Failure>> + use<> {
        let latch = self.clone();
        move |task| {
            let latch = latch.clone();
            async move {
                latch.wait().await;
                Ok(happy_reply(&task))
            }
            .boxed()
        }
    }

    pub(crate) fn release(&self, attempts: usize) {
        self.permits.add_permits(attempts);
    }
}

/// Waits until `count` workers listen for notifications.
pub(crate) async fn listeners(pool: &store::Pool, count: i64) {
    eventually("the workers listen", async || {
        let sql = "select count(*) from pg_stat_activity where datname = current_database() and query like 'LISTEN%'";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(pool).await.is_ok_and(|found| found == count)
    })
    .await;
}
