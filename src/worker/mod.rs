//! The worker: performs the activities of jobs and records how each attempt ended.
//!
//! The stops of a job, with the names that River gives them:
//!
//! 1. Producer (`queue/producer.rs`): claims due jobs for free slots, and with each a lease. The notifier
//!    (`queue/notifier.rs`) and the poller ([`poller`]) wake it.
//! 2. Executor ([`executor`]): performs the activity, as long as the heartbeat (`queue/heartbeat.rs`) can renew
//!    the lease. An answer, a wait, a failure, a panic, a timeout and a lost lease are one type: an `AttemptEnd`.
//! 3. Completer (`engine/group_commit.rs`): records answers in batches. Every other end, and an answer that drops
//!    out of its batch, is recorded in a transaction of its own (`engine/attempts.rs`). With the answer the next step
//!    takes the row of the job; this worker may continue with it, or any worker claims it.
//! 4. Rescuer: there is none. A job whose lease ran out is claimed like a new one, by the same statement.
//!
//! There is one apalis worker a queue under one monitor. A handler never fails towards apalis: a failure belongs
//! to the run and goes to the engine, whose retries are durable.

mod attempt_end;
mod base_watches;
mod conversations;
mod deployments;
mod epilogues;
mod executor;
mod gaps;
mod measures;
mod notices;
mod poller;
mod presence;

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use apalis::layers::WorkerBuilderExt as _;
use apalis_core::{monitor::Monitor, worker::builder::WorkerBuilder};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::{executor::Executor, presence::Presence};
use crate::{
    activities::Perform,
    core::{outage::LONGEST_OUTAGE, workflow::Queue},
    engine::{
        self, Engine,
        group_commit::{BatchLimits, GroupCommit},
    },
    metrics::Metrics,
    notify::Sender,
    queue::{Heartbeat, Notifier, Shared, Source, Timing},
    store::{self, Pool},
};

/// How long running jobs may go on after a stop, unless configured.
pub const DRAIN: Duration = Duration::from_secs(25);

/// The configuration of a worker process.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name in attempts and events. No protocol depends on it.
    pub name: String,
    /// How many jobs of each queue it does at once.
    pub slots: [(Queue, usize); 3],
    /// Its intervals.
    pub timing: Timing,
    /// How long running jobs may go on after a stop.
    pub drain: Duration,
    /// How it batches answers.
    pub batches: BatchLimits,
    /// For how long a job waits for a provider that is out of reach, before a person is needed.
    pub longest_outage: Duration,
    /// Sends messages to people; without one, other workers do.
    pub sender: Option<Sender>,
    /// Counts what it does.
    pub metrics: Arc<Metrics>,
}

impl Config {
    /// The defaults, with this name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            slots: [(Queue::Default, 4), (Queue::Llm, 8), (Queue::Github, 4)],
            timing: Timing::default(),
            drain: DRAIN,
            batches: BatchLimits::default(),
            longest_outage: LONGEST_OUTAGE,
            sender: None,
            metrics: Arc::default(),
        }
    }
}

/// Works until `stop` is cancelled or a person drains the worker, then finishes or releases its jobs.
///
/// `reserved` is a pool of one connection for the renewals.
///
/// # Errors
/// When the monitor fails or the claims end without a stop; failing jobs are no reason.
pub async fn work(
    engine: Engine,
    reserved: Pool,
    activities: Arc<dyn Perform>,
    config: Config,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // Renewals and notifications outlive the stop: running jobs still need them.
    let end = CancellationToken::new();
    let served: Vec<Queue> =
        config.slots.into_iter().filter(|(_, slots)| *slots > 0).map(|(queue, _)| queue).collect();
    let shared = Shared {
        pool: engine.pool().clone(),
        heartbeat: Heartbeat::start(reserved, config.timing.lease, end.clone()),
        notifier: Notifier::listen(engine.pool().clone(), served.clone(), end.clone()),
        timing: config.timing,
        worker: config.name.as_str().into(),
        // A child, so that the end of the producer is not taken for a stop from outside.
        stop: stop.child_token(),
        suspect: Arc::default(),
    };
    let presence = Presence::begin(&shared, &config.slots).await;
    let (due, notices_due) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let notices = config.sender.map(|sender| {
        tokio::spawn(notices::run(engine.clone(), shared.clone(), sender, Arc::clone(&notices_due)))
    });
    let epilogues = tokio::spawn(epilogues::run(
        engine.clone(),
        shared.clone(),
        Arc::clone(&activities),
        Arc::clone(&due),
    ));
    let spoken = Arc::new(Notify::new());
    let conversations = tokio::spawn(conversations::run(
        engine.clone(),
        shared.clone(),
        Arc::clone(&activities),
        Arc::clone(&spoken),
    ));
    let gaps_due = Arc::new(Notify::new());
    let gaps = tokio::spawn(gaps::run(shared.clone(), Arc::clone(&activities), Arc::clone(&gaps_due)));
    let deployed = Arc::new(Notify::new());
    let deployments =
        tokio::spawn(deployments::run(shared.clone(), Arc::clone(&activities), Arc::clone(&deployed)));
    let watched = Arc::new(Notify::new());
    let watches = tokio::spawn(base_watches::run(
        engine.clone(),
        shared.clone(),
        Arc::clone(&activities),
        Arc::clone(&watched),
    ));
    let uncounted = Arc::new(Notify::new());
    let measures = tokio::spawn(measures::run(engine.clone(), shared.clone(), Arc::clone(&uncounted)));
    let wakes = poller::Wakes {
        epilogues: due,
        notices: notices_due,
        conversations: spoken,
        gaps: gaps_due,
        deployments: deployed,
        watches: watched,
        measures: uncounted,
    };
    let poller = tokio::spawn(poller::run(engine.clone(), shared.clone(), served, wakes));
    let drained = CancellationToken::new();
    let commits = GroupCommit::open(&engine, &shared.worker, config.timing.lease, config.batches);
    let executor = Executor {
        engine,
        activities: Arc::clone(&activities),
        shared: shared.clone(),
        commits,
        longest_outage: config.longest_outage,
        metrics: config.metrics,
        drained: drained.clone(),
    };
    let monitor = monitor(&shared, config.slots, &Arc::new(executor));
    let worked = monitor.run_with_signal(stopped(shared.stop, config.drain, drained)).await;
    end.cancel();
    poller.abort();
    epilogues.abort();
    if let Some(notices) = notices {
        notices.abort();
    }
    conversations.abort();
    gaps.abort();
    deployments.abort();
    watches.abort();
    measures.abort();
    activities.stopped().await;
    let drained = presence.end().await;
    worked.map_err(|error| anyhow::anyhow!("run the workers: {error}"))?;
    let is_meant = stop.is_cancelled() || drained;
    anyhow::ensure!(is_meant, "the worker no longer claims jobs, though it was not stopped");
    Ok(())
}

/// One apalis worker for each queue.
fn monitor(shared: &Shared, slots: [(Queue, usize); 3], executor: &Arc<Executor>) -> Monitor {
    let mut monitor = Monitor::new();
    for (queue, source) in Source::open(shared, slots) {
        let (name, executor) = (format!("{}/{queue}", shared.worker), Arc::clone(executor));
        // The monitor would build a worker again after a failure, and ours never fail.
        let source = std::sync::Mutex::new(Some(source));
        monitor = monitor.register(move |_| {
            let source = source.lock().unwrap_or_else(PoisonError::into_inner).take();
            WorkerBuilder::new(name.as_str())
                .backend(source.unwrap_or_else(|| unreachable!("the worker of a queue is built once")))
                .data(Arc::clone(&executor))
                .enable_tracing()
                .catch_panic()
                .build(executor::execute)
        });
    }
    monitor
}

/// Resolves at the stop; `drained` is cancelled when running jobs have had their time.
async fn stopped(
    stop: CancellationToken,
    drain: Duration,
    drained: CancellationToken,
) -> std::io::Result<()> {
    stop.cancelled().await;
    tokio::spawn(async move {
        tokio::time::sleep(drain).await;
        drained.cancel();
    });
    Ok(())
}

/// Gives up on the database after two leases: a firewall may have forgotten the connection, and then no answer
/// ever comes.
async fn with_timeout<T>(
    shared: &Shared,
    query: impl Future<Output = Result<T, engine::Error>>,
) -> Result<T, engine::Error> {
    let answer = tokio::time::timeout(shared.timing.lease * 2, query).await;
    answer.unwrap_or_else(|_| Err(engine::Error::Store(store::timed_out())))
}
