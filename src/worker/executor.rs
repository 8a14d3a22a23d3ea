//! Executes claimed jobs: makes the attempt, and records how it ended.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use apalis::prelude::Data;
use apalis_core::error::BoxDynError;
use backon::{ExponentialBuilder, Retryable as _};
use futures::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    attempt_end::{self, AttemptEnd},
    with_timeout,
};
use crate::{
    activities::{Assignment, Failure, Origin, Perform, Reply},
    core::{
        outage::{Outage, Provider},
        workflow::Outcome,
    },
    engine::{
        self, Ack, Answer, Engine,
        group_commit::{GroupCommit, Handoff, NextStep, Pending, Recorded},
    },
    metrics::Metrics,
    queue::{self, ClaimedJob, Shared},
    store::{self, job::Lease},
};

/// What the handlers of a process share.
pub(super) struct Executor {
    pub(super) engine: Engine,
    pub(super) activities: Arc<dyn Perform>,
    pub(super) shared: Shared,
    pub(super) commits: GroupCommit,
    /// For how long a job waits for a provider that is out of reach.
    pub(super) longest_outage: Duration,
    /// Counts how attempts ended.
    pub(super) metrics: Arc<Metrics>,
    /// Cancelled when the drain is over: jobs that still run are released.
    pub(super) drained: CancellationToken,
}

/// What a recorded attempt comes to.
enum Finished {
    /// This worker is done with the run.
    Acked(Ack),
    /// This worker continues with the next step, under a lease that was requested at this time.
    Continued(Box<NextStep>, Instant),
}

/// The handler: executes a job, and the next steps of its run as long as this worker continues with them.
pub(super) async fn execute(job: ClaimedJob, executor: Data<Arc<Executor>>) -> Result<(), BoxDynError> {
    let mut next = Some(job);
    while let Some(job) = next {
        next = executor.execute(job).await;
    }
    Ok(())
}

impl Executor {
    /// Executes one job; returns the next step if this worker continues with it.
    async fn execute(&self, job: ClaimedJob) -> Option<ClaimedJob> {
        let finished = tokio::select! {
            finished = self.attempt(&job) => finished,
            () = self.drained.cancelled() => {
                queue::release(self.engine.pool(), &job.lease).await;
                return None;
            }
        };
        let Lease { run, step, .. } = &job.lease;
        match finished {
            Ok(Finished::Continued(next, requested)) => {
                let NextStep { lease, stored, clock } = *next;
                return Some(job.continued(&self.shared, lease, stored, clock, requested));
            }
            Ok(Finished::Acked(Ack::Committed)) => {}
            Ok(Finished::Acked(Ack::Fenced)) => {
                tracing::info!(run.id = %run, step = %step, "too late: another attempt has the job by now");
            }
            // The lease runs out, and another attempt finds what this one did.
            Err(error) => {
                tracing::warn!(run.id = %run, step = %step, %error, "an attempt was not recorded: {error}");
            }
        }
        None
    }

    /// Makes one attempt and records how it ended.
    async fn attempt(&self, job: &ClaimedJob) -> Result<Finished, engine::Error> {
        let began = Instant::now();
        let finished = match self.perform(job).await {
            Ok(end) => {
                attempt_end::note(&self.metrics, &job.lease, &end, began.elapsed());
                self.record(job, end).await
            }
            Err(error) => Err(error),
        };
        match finished {
            // The graph has no edge for the answer, or this release cannot read the graph: another attempt would
            // fail in the same way.
            Err(error @ (engine::Error::Refused(_) | engine::Error::Workflow { .. })) => {
                let reason = error.to_string();
                let block = || self.engine.block_unsupported(&job.lease, &self.shared.worker, &reason);
                self.retry(block).await.map(Finished::Acked)
            }
            finished => finished,
        }
    }

    /// Performs the activity of the job, unless its attempts are used up.
    async fn perform(&self, job: &ClaimedJob) -> Result<AttemptEnd, engine::Error> {
        let lease = &job.lease;
        if lease.is_spent() {
            let (error, origin) = ("every attempt ended with its worker".to_owned(), Origin::Elsewhere);
            return Ok(Err(Failure::Final { error, origin }));
        }
        if let Some(outage) = self.still_down(job).await? {
            return Ok(Err(Failure::Outage(Box::new(outage))));
        }
        let (assignment, timeout) = self.assignment(job).await?;
        tracing::debug!(run.id = %lease.run, step = %lease.step, attempt = lease.attempt, "attempt begins");
        let performed = AssertUnwindSafe(async { self.activities.perform(assignment).await }).catch_unwind();
        let failed = |error| Err(Failure::Retry { error, after: None, origin: Origin::Elsewhere });
        Ok(tokio::select! {
            () = job.lost().cancelled() => Err(Failure::LeaseLost),
            end = tokio::time::timeout(timeout, performed) => match end {
                Ok(Ok(end)) => end,
                Ok(Err(panic)) => failed(format!("the activity panicked: {}", message(&*panic))),
                Err(_) => failed(format!("took longer than {} s", timeout.as_secs())),
            },
        })
    }

    /// The outage that held this job and lasts: an attempt would only do again what it did before that call. With a
    /// fallback both must be down.
    async fn still_down(&self, job: &ClaimedJob) -> Result<Option<Outage>, engine::Error> {
        let held = job.stored.run.held.keys().filter_map(|key| key.parse::<Provider>().ok());
        for provider in held {
            let fallback = self.activities.fallback_of(&provider);
            let asked: Vec<Provider> = std::iter::once(provider).chain(fallback).collect();
            let down = store::outage::shut(self.engine.pool(), &asked).await?;
            if down.len() == asked.len() {
                return Ok(down.into_iter().reduce(Outage::with_fallback));
            }
        }
        Ok(None)
    }

    /// What the activity is given, and its timeout.
    async fn assignment(&self, job: &ClaimedJob) -> Result<(Assignment, Duration), engine::Error> {
        let (lease, stored) = (job.lease.clone(), job.stored.clone());
        let workflow = self.engine.workflow(&stored.spec.workflow_hash).await?;
        let missing = || engine::Error::Store(store::Error::RowNotFound);
        let step = workflow.steps.get(&lease.step).ok_or_else(missing)?;
        let rounds = [Outcome::Findings, Outcome::Blocked]
            .into_iter()
            .find_map(|outcome| stored.run.visits_left(&workflow, &lease.step, outcome));
        let (activity, rounds_left, lost) = (step.run, rounds.unwrap_or(0), job.lost().clone());
        Ok((Assignment { lease, stored, activity, rounds_left, lost }, step.timeout))
    }

    /// Records how an attempt ended.
    async fn record(&self, job: &ClaimedJob, end: AttemptEnd) -> Result<Finished, engine::Error> {
        let (engine, lease, worker) = (&self.engine, &job.lease, &*self.shared.worker);
        let ack = match end {
            Ok(Reply::Answer(answer)) => return self.record_answer(job, answer).await,
            Ok(Reply::Park(park, progress)) => {
                self.retry(|| engine.park(lease, worker, park.clone(), progress.clone())).await
            }
            Ok(Reply::Consent(asked)) => self.retry(|| engine.ask_consent(lease, worker, &asked)).await,
            Ok(Reply::Ask(asked)) => self.retry(|| engine.ask(lease, worker, &asked)).await,
            Err(Failure::Retry { error, after, .. }) => {
                self.retry(|| engine.fail(lease, worker, &error, after)).await
            }
            Err(Failure::Final { error, .. }) => self.retry(|| engine.exhaust(lease, worker, &error)).await,
            Err(Failure::Snooze { until, why }) => self.retry(|| engine.snooze(lease, until, &why)).await,
            Err(Failure::Outage(outage)) => {
                self.retry(|| engine.wait_out(lease, worker, &outage, self.longest_outage)).await
            }
            Err(Failure::Halt { cause, reason }) => {
                self.retry(|| engine.halt(lease, worker, cause, &reason)).await
            }
            Err(Failure::TakenOver { by, reason }) => {
                self.retry(|| engine.taken_over(lease, worker, &by, &reason)).await
            }
            Err(Failure::LeaseLost) => Ok(Ack::Fenced),
        };
        ack.map(Finished::Acked)
    }

    /// Records an answer: on the fast path if it fits, else on the slow path.
    async fn record_answer(&self, job: &ClaimedJob, answer: Answer) -> Result<Finished, engine::Error> {
        let lease = &job.lease;
        if let Some(pending) = self.engine.prepare(lease, &job.stored, &job.clock, answer.clone()).await? {
            let (requested, next_queue) = (Instant::now(), pending.next_queue());
            let handoff = self.handoff(lease, &pending);
            match self.commits.record(pending, handoff).await {
                Recorded::Committed => {
                    if let (Some(queue), Handoff::Release) = (next_queue, handoff) {
                        self.shared.notifier.notify(queue.as_str());
                    }
                    return Ok(Finished::Acked(Ack::Committed));
                }
                Recorded::Continued(next) => return Ok(Finished::Continued(next, requested)),
                Recorded::NotRecorded => {}
            }
        }
        let slow = || self.engine.answer(lease, &self.shared.worker, answer.clone());
        self.retry(slow).await.map(Finished::Acked)
    }

    /// Which worker does the next step. Where several products have jobs, each gets its turn; a worker that serves
    /// the queue claims by itself, since its slot is about to be free.
    fn handoff(&self, lease: &Lease, pending: &Pending) -> Handoff {
        let Shared { notifier, stop, .. } = &self.shared;
        if stop.is_cancelled() || pending.next_queue() != Some(lease.queue) {
            Handoff::Notify
        } else if pending.can_continue() && !notifier.is_shared(lease.queue) {
            Handoff::Continue
        } else {
            Handoff::Release
        }
    }

    /// Tries for some seconds to record the end of an attempt, which would otherwise have to be made again. If an
    /// earlier try was committed and its answer was lost, the next one is [`Ack::Fenced`], which is as good.
    async fn retry<F>(&self, record: impl Fn() -> F) -> Result<Ack, engine::Error>
    where
        F: Future<Output = Result<Ack, engine::Error>>,
    {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .with_max_times(10)
            .with_jitter();
        (|| with_timeout(&self.shared, Box::pin(record())))
            .retry(backoff)
            .when(|error| matches!(error, engine::Error::Store(error) if store::is_transient(error)))
            .await
    }
}

/// The message of a panic.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}
