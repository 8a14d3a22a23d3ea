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
        self, Answer, Engine, Moved,
        commits::{Commits, Draft, Follow, Grouping, Recorded},
    },
    queue::{self, Heart, Held, Hub, Source, Timing, Wake},
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
struct Desk {
    engine: Engine,
    perform: Arc<dyn Perform>,
    hub: Hub,
    commits: Commits,
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
    let hub = Hub {
        pool: engine.pool().clone(),
        heart: Heart::start(reserved, config.timing.lease, over.clone()),
        wake: Wake::listen(engine.pool().clone(), served.clone(), over.clone()),
        timing: config.timing,
        worker: config.name.as_str().into(),
        // Of its own, so that an end of the claims is not taken for a stop that was asked for.
        stop: stop.child_token(),
        suspect: Arc::default(),
    };
    let clock = tokio::spawn(look_for_ever(engine.clone(), hub.clone(), served));
    let hurry = CancellationToken::new();
    let commits = Commits::open(&engine, &hub.worker, config.timing.lease, config.commits);
    let desk = Arc::new(Desk { engine, perform, hub: hub.clone(), commits, hurry: hurry.clone() });
    let mut monitor = Monitor::new();
    for (queue, source) in Source::open(&hub, config.slots) {
        let (name, desk) = (format!("{}/{queue}", hub.worker), Arc::clone(&desk));
        // The monitor may ask again after a worker has failed, which ours never do.
        let source = std::sync::Mutex::new(Some(source));
        monitor = monitor.register(move |_| {
            let source = source.lock().unwrap_or_else(PoisonError::into_inner).take();
            WorkerBuilder::new(name.as_str())
                .backend(source.unwrap_or_else(|| unreachable!("a queue's worker is built once")))
                .data(Arc::clone(&desk))
                .enable_tracing()
                .catch_panic()
                .build(handle)
        });
    }
    let (drain, over_with) = (config.drain, hub.stop.clone());
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
async fn look_for_ever(engine: Engine, hub: Hub, served: Vec<Queue>) {
    for look in 0_u64.. {
        // A new day gives new budgets; nobody waits for that to the second.
        if look % FUNDS == 0
            && let Err(error) = patiently(&hub, engine.resume_funded()).await
        {
            tracing::debug!(%error, "could not look for runs that fit their budgets: {error}");
        }
        let drawn = f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0;
        // A little more than asked for, each time another bit, so that workers do not look in step.
        let rest = hub.timing.poll.mul_f64(1.0 + drawn / 4.0);
        tokio::select! {
            () = hub.stop.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
        match patiently(&hub, async { Ok(job::look(engine.pool(), &served).await?) }).await {
            Ok(look) => {
                look.queues.iter().for_each(|queue| hub.wake.ring(Some(queue)));
                for &queue in &served {
                    hub.wake.shared(queue, look.shared.iter().any(|word| word == queue.word()));
                }
                if look.timers {
                    wake_due(&engine, &hub).await;
                }
                if look.ticks
                    && let Err(error) = patiently(&hub, engine.fire_due()).await
                {
                    tracing::warn!(%error, "could not fire the schedules that are due: {error}");
                }
            }
            Err(error) => tracing::debug!(%error, "could not look for what is due: {error}"),
        }
    }
}

/// Wakes the runs whose time has come.
async fn wake_due(engine: &Engine, hub: &Hub) {
    loop {
        match patiently(hub, engine.wake_due(100)).await {
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
    Over(Moved),
    /// This worker goes on with the step that follows.
    Kept(Box<Held>),
}

/// Does a job, and what follows it as long as this worker keeps the run.
async fn handle(held: Held, desk: Data<Arc<Desk>>) -> Result<(), BoxDynError> {
    let mut next = Some(held);
    while let Some(held) = next {
        next = one(&desk, held).await;
    }
    Ok(())
}

/// One job, to its record or its return; the held one that follows it, if it was kept.
async fn one(desk: &Desk, held: Held) -> Option<Held> {
    let lease = held.lease.clone();
    let attempted = async {
        match attempt(desk, held).await {
            // The graph has no road for this answer: trying again would find none either.
            Err(error @ (engine::Error::Refused(_) | engine::Error::Workflow { .. })) => {
                stranded(desk, &lease, &error).await.map(After::Over)
            }
            done => done,
        }
    };
    let done = tokio::select! {
        done = attempted => done,
        () = desk.hurry.cancelled() => {
            queue::give_back(desk.engine.pool(), &lease).await;
            return None;
        }
    };
    match done {
        Ok(After::Over(Moved::Yes)) => {}
        Ok(After::Over(Moved::Late)) => {
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
async fn attempt(desk: &Desk, held: Held) -> Result<After, engine::Error> {
    let (engine, worker) = (&desk.engine, &*desk.hub.worker);
    let lease = held.lease.clone();
    if lease.is_spent() {
        let error = "every attempt ended with its worker";
        return recorded(desk, || engine.exhaust(&lease, worker, error)).await.map(After::Over);
    }
    let (assignment, step) = brief(desk, &held).await?;
    tracing::debug!(run.id = %lease.run, step = %lease.step, attempt = lease.attempt, "attempt begins");
    let performed = AssertUnwindSafe(async { desk.perform.perform(assignment).await }).catch_unwind();
    let lost = held.lost();
    let limited = tokio::time::timeout(step.timeout, performed);
    let reply = tokio::select! {
        reply = limited => reply,
        () = lost.cancelled() => return Ok(After::Over(Moved::Late)),
    };
    let done = match reply {
        Ok(Ok(Ok(Reply::Answer(answer)))) => return answered(desk, held, answer).await,
        Ok(Ok(Ok(Reply::Park(park, progress)))) => {
            recorded(desk, || engine.park(&lease, worker, park.clone(), progress.clone())).await
        }
        Ok(Ok(Err(Failure::LeaseLost))) => Ok(Moved::Late),
        Ok(Ok(Err(Failure::Later { until, why }))) => {
            recorded(desk, || engine.later(&lease, until, &why)).await
        }
        Ok(Ok(Err(Failure::Halt { cause, reason }))) => {
            recorded(desk, || engine.halt(&lease, worker, cause, &reason)).await
        }
        Ok(Ok(Err(Failure::Final { error }))) => {
            recorded(desk, || engine.exhaust(&lease, worker, &error)).await
        }
        Ok(Ok(Err(Failure::Retry { error, after }))) => {
            recorded(desk, || engine.fail(&lease, worker, &error, after)).await
        }
        Ok(Err(panic)) => {
            let error = format!("the activity panicked: {}", words(&*panic));
            recorded(desk, || engine.fail(&lease, worker, &error, None)).await
        }
        Err(_) => {
            let error = format!("took longer than {} s", step.timeout.as_secs());
            recorded(desk, || engine.fail(&lease, worker, &error, None)).await
        }
    };
    done.map(After::Over)
}

/// Records an answer: with others in one commit if it can be, else alone.
async fn answered(desk: &Desk, held: Held, answer: Answer) -> Result<After, engine::Error> {
    let lease = &held.lease;
    if let Some(draft) = desk.engine.draft(lease, &held.run, &held.clock, answer.clone()).await? {
        let (asked, queue, follow) = (Instant::now(), draft.queue(), follow(&desk.hub, lease, &draft));
        match desk.commits.record(draft, follow).await {
            Recorded::Over => {
                if let (Some(queue), Follow::Leave) = (queue, follow) {
                    desk.hub.wake.ring(Some(queue.word()));
                }
                return Ok(After::Over(Moved::Yes));
            }
            Recorded::Kept(claim, clock) => {
                let Claim { lease, run: Ok(run) } = *claim else { return Ok(After::Over(Moved::Yes)) };
                let next = held.followed_by(&desk.hub, lease, run, clock, asked);
                return Ok(After::Kept(Box::new(next)));
            }
            Recorded::Alone => {}
        }
    }
    let lease = held.lease.clone();
    recorded(desk, || desk.engine.answer(&lease, &desk.hub.worker, answer.clone())).await.map(After::Over)
}

/// Who does the step that follows. Where several products wait, each gets its turn; a worker that serves
/// the queue looks by itself, since its slot is about to come free.
fn follow(hub: &Hub, lease: &Lease, draft: &Draft) -> Follow {
    if draft.may_be_kept() && !hub.wake.is_shared(lease.queue) && !hub.stop.is_cancelled() {
        Follow::Keep
    } else if draft.queue() == Some(lease.queue) && !hub.stop.is_cancelled() {
        Follow::Leave
    } else {
        Follow::Tell
    }
}

/// Ends a run that this release cannot follow.
async fn stranded(desk: &Desk, lease: &Lease, error: &engine::Error) -> Result<Moved, engine::Error> {
    let reason = error.to_string();
    recorded(desk, || desk.engine.strand(lease, &desk.hub.worker, &reason)).await
}

/// Everything the activity rests on.
async fn brief(desk: &Desk, held: &Held) -> Result<(Assignment, Step), engine::Error> {
    let (lease, run) = (held.lease.clone(), held.run.clone());
    let workflow = desk.engine.workflow(&run.binding.workflow_hash).await?;
    let lost = || engine::Error::Store(store::Error::RowNotFound);
    let step = workflow.steps.get(&lease.step).cloned().ok_or_else(lost)?;
    let rounds = [Outcome::Findings, Outcome::Blocked]
        .into_iter()
        .find_map(|outcome| run.run.visits_left(&workflow, &lease.step, outcome));
    let (activity, rounds_left) = (step.run, rounds.unwrap_or(0));
    Ok((Assignment { lease, run, activity, rounds_left, lost: held.lost() }, step))
}

/// Tries for some seconds to record what was done, for it would have to be done again otherwise. A
/// commit whose answer was lost shows as [`Moved::Late`] the second time, which is as good.
async fn recorded<F>(desk: &Desk, record: impl Fn() -> F) -> Result<Moved, engine::Error>
where
    F: Future<Output = Result<Moved, engine::Error>>,
{
    let patience = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .with_max_times(10)
        .with_jitter();
    (|| patiently(&desk.hub, Box::pin(record())))
        .retry(patience)
        .when(|error| matches!(error, engine::Error::Store(error) if store::is_transient(error)))
        .await
}

/// Waits two leases for an answer: a connection that nobody but us remembers would be waited for for ever.
async fn patiently<T>(
    hub: &Hub,
    ask: impl Future<Output = Result<T, engine::Error>>,
) -> Result<T, engine::Error> {
    let answer = tokio::time::timeout(hub.timing.lease * 2, ask).await;
    answer.unwrap_or_else(|_| Err(engine::Error::Store(store::unanswered())))
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}
