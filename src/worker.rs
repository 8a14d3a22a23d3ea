//! The worker: takes a job, calls its activity, hands the answer to the engine.
//!
//! One apalis worker a queue under one monitor. A handler never fails towards apalis: what went
//! wrong is the run's business and goes to the engine, whose retries are durable.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, PoisonError},
    time::Duration,
};

use apalis::{layers::WorkerBuilderExt as _, prelude::Data};
use apalis_core::{error::BoxDynError, monitor::Monitor, worker::builder::WorkerBuilder};
use backon::{ExponentialBuilder, Retryable as _};
use futures::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    activities::{Assignment, Failure, Perform, Reply},
    core::workflow::{Outcome, Queue, Step},
    engine::{
        self, Ack, Answer, Engine,
        group_commit::{Follow, GroupCommit, Grouping, Pending, Recorded},
    },
    queue::{self, Heartbeat, Held, Notifier, Shared, Source, Timing},
    store::{
        self, Pool,
        job::{self, Claim, Lease},
    },
};

/// How long running jobs may go on after a stop was asked for, unless another time is set.
pub const DRAIN: Duration = Duration::from_secs(25);

/// Looks for due jobs between two looks for runs that fit their budgets again.
const FUNDS: u64 = 30;

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
    /// How answers are committed.
    pub commits: Grouping,
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
            commits: Grouping::default(),
        }
    }
}

/// Everything a handler needs.
struct Context {
    engine: Engine,
    perform: Arc<dyn Perform>,
    shared: Shared,
    commits: GroupCommit,
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
    let served: Vec<Queue> =
        config.slots.into_iter().filter(|(_, slots)| *slots > 0).map(|(queue, _)| queue).collect();
    let shared = Shared {
        pool: engine.pool().clone(),
        heartbeat: Heartbeat::start(reserved, config.timing.lease, over.clone()),
        notifier: Notifier::listen(engine.pool().clone(), served.clone(), over.clone()),
        timing: config.timing,
        worker: config.name.as_str().into(),
        // Of its own, so that an end of the claims is not taken for a stop that was asked for.
        stop: stop.child_token(),
        suspect: Arc::default(),
    };
    let clock = tokio::spawn(look_for_ever(engine.clone(), shared.clone(), served));
    let hurry = CancellationToken::new();
    let commits = GroupCommit::open(&engine, &shared.worker, config.timing.lease, config.commits);
    let context =
        Arc::new(Context { engine, perform, shared: shared.clone(), commits, hurry: hurry.clone() });
    let mut monitor = Monitor::new();
    for (queue, source) in Source::open(&shared, config.slots) {
        let (name, context) = (format!("{}/{queue}", shared.worker), Arc::clone(&context));
        // The monitor may ask again after a worker has failed, which ours never do.
        let source = std::sync::Mutex::new(Some(source));
        monitor = monitor.register(move |_| {
            let source = source.lock().unwrap_or_else(PoisonError::into_inner).take();
            WorkerBuilder::new(name.as_str())
                .backend(source.unwrap_or_else(|| unreachable!("a queue's worker is built once")))
                .data(Arc::clone(&context))
                .enable_tracing()
                .catch_panic()
                .build(handle)
        });
    }
    let (drain, over_with) = (config.drain, shared.stop.clone());
    let stopped = async move {
        over_with.cancelled().await;
        tokio::spawn(async move {
            tokio::time::sleep(drain).await;
            hurry.cancel();
        });
        Ok(())
    };
    let worked = monitor.run_with_signal(stopped).await;
    over.cancel();
    clock.abort();
    worked.map_err(|error| anyhow::anyhow!("run the workers: {error}"))?;
    anyhow::ensure!(stop.is_cancelled(), "the worker no longer claims jobs, and nobody has asked it to stop");
    Ok(())
}

/// Every so often, in one statement: are jobs due that nobody told us of, timers, schedules?
async fn look_for_ever(engine: Engine, shared: Shared, served: Vec<Queue>) {
    for look in 0_u64.. {
        // A new day gives new budgets; nobody waits for that to the second.
        if look % FUNDS == 0
            && let Err(error) = patiently(&shared, engine.resume_funded()).await
        {
            tracing::debug!(%error, "could not look for runs that fit their budgets: {error}");
        }
        let drawn = f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0;
        // A little more than asked for, each time another bit, so that workers do not look in step.
        let rest = shared.timing.poll.mul_f64(1.0 + drawn / 4.0);
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
        match patiently(&shared, async { Ok(job::due_work(engine.pool(), &served).await?) }).await {
            Ok(look) => {
                look.queues.iter().for_each(|queue| shared.notifier.notify(Some(queue)));
                for &queue in &served {
                    shared.notifier.shared(queue, look.shared.iter().any(|word| word == queue.as_str()));
                }
                if look.timers {
                    wake_due(&engine, &shared).await;
                }
                if look.ticks
                    && let Err(error) = patiently(&shared, engine.fire_due()).await
                {
                    tracing::warn!(%error, "could not fire the schedules that are due: {error}");
                }
            }
            Err(error) => tracing::debug!(%error, "could not look for what is due: {error}"),
        }
    }
}

/// Wakes the runs whose time has come.
async fn wake_due(engine: &Engine, shared: &Shared) {
    loop {
        match patiently(shared, engine.wake_due(100)).await {
            Ok(100) => {}
            Ok(_) => return,
            Err(error) => {
                tracing::debug!(%error, "could not wake waiting runs: {error}");
                return;
            }
        }
    }
}

/// What came of an attempt.
enum After {
    /// The job is answered, or somebody else's.
    Over(Ack),
    /// This worker goes on with the step that follows.
    Kept(Box<Held>),
}

/// Does a job, and what follows it as long as this worker keeps the run.
async fn handle(held: Held, context: Data<Arc<Context>>) -> Result<(), BoxDynError> {
    let mut next = Some(held);
    while let Some(held) = next {
        next = one(&context, held).await;
    }
    Ok(())
}

/// One job, to its record or its return; the held one that follows it, if it was kept.
async fn one(context: &Context, held: Held) -> Option<Held> {
    let lease = held.lease.clone();
    let attempted = async {
        match attempt(context, held).await {
            // The graph has no road for this answer: trying again would find none either.
            Err(error @ (engine::Error::Refused(_) | engine::Error::Workflow { .. })) => {
                stranded(context, &lease, &error).await.map(After::Over)
            }
            done => done,
        }
    };
    let done = tokio::select! {
        done = attempted => done,
        () = context.hurry.cancelled() => {
            queue::give_back(context.engine.pool(), &lease).await;
            return None;
        }
    };
    match done {
        Ok(After::Over(Ack::Committed)) => {}
        Ok(After::Over(Ack::Fenced)) => {
            tracing::info!(run.id = %lease.run, step = %lease.step, "too late: the job is somebody else's by now");
        }
        Ok(After::Kept(held)) => return Some(*held),
        // The lease runs out and another attempt finds what this one did.
        Err(error) => {
            tracing::warn!(run.id = %lease.run, step = %lease.step, %error, "an attempt was not recorded: {error}");
        }
    }
    None
}

/// One attempt, from the job to the record of its reply.
async fn attempt(context: &Context, held: Held) -> Result<After, engine::Error> {
    let (engine, worker) = (&context.engine, &*context.shared.worker);
    let lease = held.lease.clone();
    if lease.is_spent() {
        let error = "every attempt ended with its worker";
        return recorded(context, || engine.exhaust(&lease, worker, error)).await.map(After::Over);
    }
    let (assignment, step) = brief(context, &held).await?;
    tracing::debug!(run.id = %lease.run, step = %lease.step, attempt = lease.attempt, "attempt begins");
    let performed = AssertUnwindSafe(async { context.perform.perform(assignment).await }).catch_unwind();
    let lost = held.lost();
    let limited = tokio::time::timeout(step.timeout, performed);
    let reply = tokio::select! {
        reply = limited => reply,
        () = lost.cancelled() => return Ok(After::Over(Ack::Fenced)),
    };
    let done = match reply {
        Ok(Ok(Ok(Reply::Answer(answer)))) => return answered(context, held, answer).await,
        Ok(Ok(Ok(Reply::Park(park, progress)))) => {
            recorded(context, || engine.park(&lease, worker, park.clone(), progress.clone())).await
        }
        Ok(Ok(Err(Failure::LeaseLost))) => Ok(Ack::Fenced),
        Ok(Ok(Err(Failure::Snooze { until, why }))) => {
            recorded(context, || engine.snooze(&lease, until, &why)).await
        }
        Ok(Ok(Err(Failure::Halt { cause, reason }))) => {
            recorded(context, || engine.halt(&lease, worker, cause, &reason)).await
        }
        Ok(Ok(Err(Failure::Final { error }))) => {
            recorded(context, || engine.exhaust(&lease, worker, &error)).await
        }
        Ok(Ok(Err(Failure::Retry { error, after }))) => {
            recorded(context, || engine.fail(&lease, worker, &error, after)).await
        }
        Ok(Err(panic)) => {
            let error = format!("the activity panicked: {}", words(&*panic));
            recorded(context, || engine.fail(&lease, worker, &error, None)).await
        }
        Err(_) => {
            let error = format!("took longer than {} s", step.timeout.as_secs());
            recorded(context, || engine.fail(&lease, worker, &error, None)).await
        }
    };
    done.map(After::Over)
}

/// Records an answer: with others in one commit if it can be, else alone.
async fn answered(context: &Context, held: Held, answer: Answer) -> Result<After, engine::Error> {
    let lease = &held.lease;
    if let Some(pending) = context.engine.prepare(lease, &held.run, &held.clock, answer.clone()).await? {
        let (asked, queue, follow) =
            (Instant::now(), pending.queue(), follow(&context.shared, lease, &pending));
        match context.commits.record(pending, follow).await {
            Recorded::Over => {
                if let (Some(queue), Follow::Leave) = (queue, follow) {
                    context.shared.notifier.notify(Some(queue.as_str()));
                }
                return Ok(After::Over(Ack::Committed));
            }
            Recorded::Kept(claim, clock) => {
                let Claim { lease, run: Ok(run) } = *claim else { return Ok(After::Over(Ack::Committed)) };
                let next = held.followed_by(&context.shared, lease, run, clock, asked);
                return Ok(After::Kept(Box::new(next)));
            }
            Recorded::Alone => {}
        }
    }
    let lease = held.lease.clone();
    recorded(context, || context.engine.answer(&lease, &context.shared.worker, answer.clone()))
        .await
        .map(After::Over)
}

/// Who does the step that follows. Where several products wait, each gets its turn; a worker that serves
/// the queue looks by itself, since its slot is about to come free.
fn follow(shared: &Shared, lease: &Lease, pending: &Pending) -> Follow {
    if pending.may_be_kept() && !shared.notifier.is_shared(lease.queue) && !shared.stop.is_cancelled() {
        Follow::Keep
    } else if pending.queue() == Some(lease.queue) && !shared.stop.is_cancelled() {
        Follow::Leave
    } else {
        Follow::Tell
    }
}

/// Ends a run that this release cannot follow.
async fn stranded(context: &Context, lease: &Lease, error: &engine::Error) -> Result<Ack, engine::Error> {
    let reason = error.to_string();
    recorded(context, || context.engine.block_unsupported(lease, &context.shared.worker, &reason)).await
}

/// Everything the activity rests on.
async fn brief(context: &Context, held: &Held) -> Result<(Assignment, Step), engine::Error> {
    let (lease, run) = (held.lease.clone(), held.run.clone());
    let workflow = context.engine.workflow(&run.spec.workflow_hash).await?;
    let lost = || engine::Error::Store(store::Error::RowNotFound);
    let step = workflow.steps.get(&lease.step).cloned().ok_or_else(lost)?;
    let rounds = [Outcome::Findings, Outcome::Blocked]
        .into_iter()
        .find_map(|outcome| run.run.visits_left(&workflow, &lease.step, outcome));
    let (activity, rounds_left) = (step.run, rounds.unwrap_or(0));
    Ok((Assignment { lease, run, activity, rounds_left, lost: held.lost() }, step))
}

/// Tries for some seconds to record what was done, for it would have to be done again otherwise. A
/// commit whose answer was lost shows as [`Ack::Fenced`] the second time, which is as good.
async fn recorded<F>(context: &Context, record: impl Fn() -> F) -> Result<Ack, engine::Error>
where
    F: Future<Output = Result<Ack, engine::Error>>,
{
    let patience = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .with_max_times(10)
        .with_jitter();
    (|| patiently(&context.shared, Box::pin(record())))
        .retry(patience)
        .when(|error| matches!(error, engine::Error::Store(error) if store::is_transient(error)))
        .await
}

/// Waits two leases for an answer: a connection that nobody but us remembers would be waited for for ever.
async fn patiently<T>(
    shared: &Shared,
    ask: impl Future<Output = Result<T, engine::Error>>,
) -> Result<T, engine::Error> {
    let answer = tokio::time::timeout(shared.timing.lease * 2, ask).await;
    answer.unwrap_or_else(|_| Err(engine::Error::Store(store::timed_out())))
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}
