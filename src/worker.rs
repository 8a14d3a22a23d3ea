//! The worker: takes a job, calls its activity, hands the answer to the engine.
//!
//! One apalis worker a queue under one monitor. A handler never fails towards apalis: what went
//! wrong is the run's business and goes to the engine, whose retries are durable.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use apalis::{layers::WorkerBuilderExt as _, prelude::Data};
use apalis_core::{error::BoxDynError, monitor::Monitor, worker::builder::WorkerBuilder};
use backon::{ExponentialBuilder, Retryable as _};
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::{
    activities::{Assignment, Failure, Perform, Reply},
    core::workflow::{Outcome, Queue, Step},
    engine::{self, Engine, Moved},
    queue::{self, Heart, Held, Hub, Source, Timing, Wake},
    store::{self, Pool, job::Lease},
};

/// How long running jobs may go on after a stop was asked for, unless another time is set.
pub const DRAIN: Duration = Duration::from_secs(25);

/// How a worker process works.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name in attempts and events; a name means nothing to the protocol.
    pub name: String,
    /// How many jobs of each queue it does at once.
    pub slots: [(Queue, usize); 3],
    /// How patient it is.
    pub timing: Timing,
    /// How long running jobs may go on after a stop was asked for.
    pub drain: Duration,
}

impl Config {
    /// The defaults under a name of this process.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            slots: [(Queue::Default, 4), (Queue::Llm, 8), (Queue::Github, 4)],
            timing: Timing::default(),
            drain: DRAIN,
        }
    }
}

/// Everything a handler needs.
struct Desk {
    engine: Engine,
    perform: Arc<dyn Perform>,
    config: Config,
    /// Cancelled when the drain is over: running attempts are given back.
    hurry: CancellationToken,
}

/// Works until `stop` is cancelled, then finishes or gives back what it has begun.
///
/// `reserved` is a pool of one connection for the renewals.
///
/// # Errors
/// When the monitor itself fails; failing jobs never do that.
pub async fn work(
    engine: Engine,
    reserved: Pool,
    perform: Arc<dyn Perform>,
    config: Config,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // Renewals and notices outlive the stop: running jobs still need them.
    let over = CancellationToken::new();
    let hub = Hub {
        pool: engine.pool().clone(),
        heart: Heart::start(reserved, config.timing.lease, over.clone()),
        wake: Wake::listen(engine.pool().clone(), over.clone()),
        timing: config.timing,
        worker: config.name.as_str().into(),
        stop: stop.clone(),
    };
    let clock = tokio::spawn(wake_due(engine.clone(), config.timing.poll, stop.clone()));
    let hurry = CancellationToken::new();
    let desk = Arc::new(Desk { engine, perform, config: config.clone(), hurry: hurry.clone() });
    let mut monitor = Monitor::new();
    for (queue, slots) in config.slots.into_iter().filter(|(_, slots)| *slots > 0) {
        let (hub, desk) = (hub.clone(), Arc::clone(&desk));
        monitor = monitor.register(move |_| {
            WorkerBuilder::new(format!("{}/{queue}", hub.worker).as_str())
                .backend(Source::open(hub.clone(), queue, slots))
                .data(Arc::clone(&desk))
                .enable_tracing()
                .catch_panic()
                .build(handle)
        });
    }
    let drain = config.drain;
    let stopped = async move {
        stop.cancelled().await;
        tokio::spawn(async move {
            tokio::time::sleep(drain).await;
            hurry.cancel();
        });
        Ok(())
    };
    let worked = monitor.run_with_signal(stopped).await;
    over.cancel();
    clock.abort();
    worked.map_err(|error| anyhow::anyhow!("run the workers: {error}"))
}

/// Wakes runs whose time has come, every so often.
async fn wake_due(engine: Engine, every: Duration, stop: CancellationToken) {
    loop {
        if let Err(error) = engine.resume_funded().await {
            tracing::debug!(%error, "could not look for runs that fit their budgets: {error}");
        }
        match engine.wake_due(100).await {
            Ok(100) => continue,
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "could not wake waiting runs: {error}"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

async fn handle(held: Held, desk: Data<Arc<Desk>>) -> Result<(), BoxDynError> {
    let lease = held.lease.clone();
    let attempted = async {
        match attempt(&desk, &held).await {
            // The graph has no road for this answer: trying again would find none either.
            Err(error @ engine::Error::Refused(_)) => stranded(&desk, &lease, &error).await,
            done => done,
        }
    };
    let done = tokio::select! {
        done = attempted => done,
        () = desk.hurry.cancelled() => {
            queue::give_back(desk.engine.pool(), &lease, held.queue).await;
            return Ok(());
        }
    };
    match done {
        Ok(Moved::Yes) => {}
        Ok(Moved::Late) => {
            tracing::info!(run.id = %lease.run, step = %lease.step, "too late: the job is somebody else's by now");
        }
        // The lease runs out and another attempt finds what this one did.
        Err(error) => {
            tracing::warn!(run.id = %lease.run, step = %lease.step, %error, "an attempt was not recorded: {error}");
        }
    }
    Ok(())
}

/// One attempt, from the job to the record of its reply.
async fn attempt(desk: &Desk, held: &Held) -> Result<Moved, engine::Error> {
    let (engine, lease, worker) = (&desk.engine, &held.lease, desk.config.name.as_str());
    if lease.is_spent() {
        let error = "every attempt ended with its worker";
        return match recorded(|| engine.exhaust(lease, worker, error)).await {
            Err(error @ engine::Error::Workflow { .. }) => stranded(desk, lease, &error).await,
            done => done,
        };
    }
    let (assignment, step) = match brief(desk, held).await {
        Ok(briefed) => briefed,
        Err(error @ engine::Error::Workflow { .. }) => return stranded(desk, lease, &error).await,
        Err(error) => return Err(error),
    };
    tracing::debug!(run.id = %lease.run, step = %lease.step, attempt = lease.attempt, "attempt begins");
    let performed = AssertUnwindSafe(async { desk.perform.perform(assignment).await }).catch_unwind();
    let lost = held.lost();
    let limited = tokio::time::timeout(step.timeout, performed);
    let reply = tokio::select! {
        reply = limited => reply,
        () = lost.cancelled() => return Ok(Moved::Late),
    };
    match reply {
        Ok(Ok(Ok(Reply::Answer(answer)))) => recorded(|| engine.answer(lease, worker, answer.clone())).await,
        Ok(Ok(Ok(Reply::Park(park, progress)))) => {
            recorded(|| engine.park(lease, worker, park.clone(), progress.clone())).await
        }
        Ok(Ok(Err(Failure::LeaseLost))) => Ok(Moved::Late),
        Ok(Ok(Err(Failure::Halt { cause, reason }))) => {
            recorded(|| engine.halt(lease, worker, cause, &reason)).await
        }
        Ok(Ok(Err(Failure::Final { error }))) => recorded(|| engine.exhaust(lease, worker, &error)).await,
        Ok(Ok(Err(Failure::Retry { error, after }))) => {
            recorded(|| engine.fail(lease, worker, &error, after)).await
        }
        Ok(Err(panic)) => {
            let error = format!("the activity panicked: {}", words(&*panic));
            recorded(|| engine.fail(lease, worker, &error, None)).await
        }
        Err(_) => {
            let error = format!("took longer than {} s", step.timeout.as_secs());
            recorded(|| engine.fail(lease, worker, &error, None)).await
        }
    }
}

/// Ends a run that this release cannot follow.
async fn stranded(desk: &Desk, lease: &Lease, error: &engine::Error) -> Result<Moved, engine::Error> {
    let reason = error.to_string();
    recorded(|| desk.engine.strand(lease, &desk.config.name, &reason)).await
}

/// Everything the activity rests on, read at the beginning of the attempt.
async fn brief(desk: &Desk, held: &Held) -> Result<(Assignment, Step), engine::Error> {
    let (engine, lease) = (&desk.engine, held.lease.clone());
    let run = store::run::get(engine.pool(), lease.run).await?.ok_or(engine::Error::NoRun(lease.run))?;
    let workflow = engine.workflow(&run.binding.workflow_hash).await?;
    let lost = || engine::Error::Store(store::Error::RowNotFound);
    let step = workflow.steps.get(&lease.step).cloned().ok_or_else(lost)?;
    let requirement =
        store::requirement::get(engine.pool(), run.binding.requirement_id).await?.ok_or_else(lost)?;
    let rounds = [Outcome::Findings, Outcome::Blocked]
        .into_iter()
        .find_map(|outcome| run.run.visits_left(&workflow, &lease.step, outcome));
    let assignment = Assignment {
        lease,
        run,
        requirement,
        activity: step.run,
        rounds_left: rounds.unwrap_or(0),
        lost: held.lost(),
    };
    Ok((assignment, step))
}

/// Tries for some seconds to record what was done, for it would have to be done again otherwise. A
/// commit whose answer was lost shows as [`Moved::Late`] the second time, which is as good.
async fn recorded<F>(record: impl Fn() -> F) -> Result<Moved, engine::Error>
where
    F: Future<Output = Result<Moved, engine::Error>>,
{
    let patience = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .with_max_times(10)
        .with_jitter();
    record
        .retry(patience)
        .when(|error| matches!(error, engine::Error::Store(error) if store::is_transient(error)))
        .await
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}
