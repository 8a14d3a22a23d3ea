//! Why a run does not move: exactly one cause, for machines and in a sentence for people.
//!
//! [`why`] is total: for every run and job it names a cause.

mod sentence;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    hold::Hold,
    job::JobState,
    outage::Provider,
    run::{PauseCause, Run, State},
    workflow::End,
};

/// The job of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The queue it is in.
    pub queue: String,
    /// When it may be claimed; while a worker holds it, the end of the lease.
    pub visible_at: DateTime<Utc>,
    /// Attempts begun so far.
    pub attempts: u32,
    /// The most attempts.
    pub most: u32,
    /// The worker of the last attempt, and when the attempt began.
    pub last: Option<(String, DateTime<Utc>)>,
    /// Its state.
    pub state: JobState,
    /// How many workers in a row were lost, with the last one if its lease expired.
    pub lost: u32,
    /// The error of the last failed attempt.
    pub error: Option<String>,
    /// The rate limit that held back its last call, and why the limit is closed.
    pub held_back: Option<(String, Option<String>)>,
    /// The breaker of the provider that held back its last call.
    pub outage: Option<Breaker>,
    /// The key of the fallback that is down too, and since when.
    pub beside: Option<(String, DateTime<Utc>)>,
    /// A key of the job that is at its limit.
    pub full: Option<Full>,
    /// A worker serves the queue.
    pub served: bool,
    /// What holds the job, its product, its queue or everything.
    pub hold: Option<Hold>,
}

/// The breaker of a provider that did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Since when the provider is down, and when it is probed next; `None`: the breaker is closed.
    pub open: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// What failed last.
    pub error: String,
}

/// A key at its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Full {
    /// The key.
    pub key: String,
    /// How many jobs with the key are running.
    pub held: u32,
    /// The most.
    pub most: u32,
}

/// The one reason why a run does not move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// The run has ended.
    Ended {
        /// The end's name in the workflow.
        name: String,
        /// How the run ended.
        end: End,
        /// Why it ended there.
        reason: String,
    },
    /// A step waits for a signal from outside.
    Waiting {
        /// The step.
        step: String,
        /// What it waits for.
        reason: String,
        /// When the run entered the step.
        since: DateTime<Utc>,
        /// When it runs again even without a signal.
        next_look: DateTime<Utc>,
    },
    /// No job is enqueued until the run is resumed.
    Paused {
        /// The step that a resume continues at.
        step: String,
        /// Who paused it.
        by: String,
        /// Why.
        reason: String,
        /// What kind of reason it is.
        cause: PauseCause,
        /// When it was paused.
        since: DateTime<Utc>,
        /// Whether a worker is still running the attempt that it had begun, and may answer.
        finishing: bool,
        /// Whether a person has taken over the branch.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        takeover: bool,
    },
    /// A worker is running the step.
    Running {
        /// The step.
        step: String,
        /// The worker.
        worker: String,
        /// When the attempt began.
        since: DateTime<Utc>,
        /// Which attempt, from 1.
        attempt: u32,
        /// The most attempts.
        most: u32,
    },
    /// The worker's lease expired before it answered; the next free worker starts a new attempt.
    WorkerLost {
        /// The step.
        step: String,
        /// The worker.
        worker: String,
        /// When its lease expired.
        since: DateTime<Utc>,
        /// Which attempt was lost, from 1.
        attempt: u32,
        /// The most attempts.
        most: u32,
    },
    /// An attempt failed, and the next is not due yet.
    BackingOff {
        /// The step.
        step: String,
        /// When the next attempt is due.
        until: DateTime<Utc>,
        /// What went wrong last.
        error: String,
        /// Which attempt failed, from 1.
        attempt: u32,
        /// The most attempts.
        most: u32,
    },
    /// A rate limit that all workers share held a call back; this is not a failure.
    HeldBack {
        /// The step.
        step: String,
        /// The limit's key.
        key: String,
        /// When the job is due again.
        until: DateTime<Utc>,
        /// Why the limit is closed, if the server gave a reason.
        why: Option<String>,
    },
    /// A provider is out of reach; this is not a failure.
    Outage {
        /// The step.
        step: String,
        /// The provider in words for people.
        provider: String,
        /// Since when it is out of reach.
        since: DateTime<Utc>,
        /// When the job is due again; earlier if the provider answers a probe of another job.
        until: DateTime<Utc>,
        /// When the provider is probed next; `None` if it is not down for others, or no longer.
        next_probe: Option<DateTime<Utc>>,
        /// What failed last.
        error: String,
    },
    /// The last worker was of an older release than the run, and left the job to a newer one.
    NewerRelease {
        /// The step.
        step: String,
        /// The worker that could not read it.
        worker: String,
        /// When it is offered again.
        until: DateTime<Utc>,
    },
    /// The job is due, and no worker that serves its queue is connected.
    NoWorker {
        /// The step.
        step: String,
        /// The queue.
        queue: String,
        /// Since when it could have been claimed.
        since: DateTime<Utc>,
    },
    /// A person holds the job, with others: no attempt begins until the hold is released.
    OnHold {
        /// The step.
        step: String,
        /// The hold.
        #[serde(flatten)]
        hold: Hold,
    },
    /// The job is due, and one of its keys is at its limit.
    KeyLimit {
        /// The step.
        step: String,
        /// The key.
        key: String,
        /// How many jobs with the key are running.
        held: u32,
        /// The most.
        most: u32,
        /// Since when it could have been claimed.
        since: DateTime<Utc>,
    },
    /// The job may be what killed its workers: a process runs only one such job at a time.
    Suspect {
        /// The step.
        step: String,
        /// How many workers in a row were lost.
        lost: u32,
        /// Since when it could have been claimed.
        since: DateTime<Utc>,
        /// Attempts begun so far.
        attempt: u32,
        /// The most attempts.
        most: u32,
    },
    /// The job is due, and the workers of its queue are busy with others.
    Queued {
        /// The step.
        step: String,
        /// The queue.
        queue: String,
        /// Since when it could have been claimed.
        since: DateTime<Utc>,
    },
    /// The run needs a job, and the table has none: it was changed by hand.
    JobMissing {
        /// The step.
        step: String,
        /// When the run entered the step.
        since: DateTime<Utc>,
    },
}

/// The cause, from the run and its job.
#[must_use]
pub fn why(run: &Run, job: Option<&Job>) -> Cause {
    match (&run.state, job) {
        (State::Ended { name, end, reason }, _) => {
            Cause::Ended { name: name.clone(), end: *end, reason: reason.clone() }
        }
        (State::Waiting { step, since, park }, _) => Cause::Waiting {
            step: step.clone(),
            reason: park.reason.clone(),
            since: *since,
            next_look: park.until,
        },
        (State::Paused(pause), job) => Cause::Paused {
            step: pause.was.step().unwrap_or_default().to_owned(),
            by: pause.by.clone(),
            reason: pause.reason.clone(),
            cause: pause.cause,
            since: pause.since,
            finishing: job.is_some_and(|job| job.state == JobState::Running),
            takeover: pause.takeover,
        },
        (State::At { step, since }, None) => Cause::JobMissing { step: step.clone(), since: *since },
        (State::At { step, .. }, Some(job)) => of_outage(run, step, job)
            .filter(|_| job.hold.is_none())
            .unwrap_or_else(|| of_job(step.clone(), job)),
    }
}

/// The outage that a job waits out.
fn of_outage(run: &Run, step: &str, job: &Job) -> Option<Cause> {
    let (key, breaker) = (&job.held_back.as_ref()?.0, job.outage.as_ref()?);
    let provider: Provider = key.parse().ok().filter(|_| job.state == JobState::RateLimited)?;
    let (since, next_probe) = match breaker.open {
        Some((since, next)) => (since, Some(next)),
        None => (run.held.get(key).copied().unwrap_or(job.visible_at), None),
    };
    let beside = job.beside.as_ref().and_then(|(key, since)| Some((key.parse::<Provider>().ok()?, since)));
    let error = match beside {
        Some((fallback, since)) => {
            let (who, since) = (fallback.in_words(), since.format("%H:%M UTC"));
            format!("{}; its fallback, {who}, is down since {since}", breaker.error)
        }
        None => breaker.error.clone(),
    };
    let (step, provider) = (step.to_owned(), provider.in_words());
    Some(Cause::Outage { step, provider, since, until: job.visible_at, next_probe, error })
}

fn of_job(step: String, job: &Job) -> Cause {
    let (attempt, most, until) = (job.attempts, job.most, job.visible_at);
    if let Some(hold) = job.hold.clone().filter(|_| job.state != JobState::Running) {
        return Cause::OnHold { step, hold };
    }
    let last = || job.last.clone().unwrap_or_else(|| ("a worker".to_owned(), job.visible_at));
    match (job.state, &job.error) {
        (JobState::Running, _) => {
            let (worker, since) = last();
            Cause::Running { step, worker, since, attempt, most }
        }
        (JobState::RateLimited, _) => {
            let (key, why) = job.held_back.clone().unwrap_or_default();
            Cause::HeldBack { step, key, until, why }
        }
        (JobState::Scheduled, Some(error)) => {
            Cause::BackingOff { step, until, error: error.clone(), attempt, most }
        }
        (JobState::Scheduled, None) => Cause::NewerRelease { step, worker: last().0, until },
        (JobState::Available | JobState::Expired | JobState::Suspect | JobState::Paused, _) => {
            of_due_job(step, job)
        }
    }
}

/// What keeps a due job from being claimed. What affects the most jobs is checked first.
fn of_due_job(step: String, job: &Job) -> Cause {
    let (since, attempt, most) = (job.visible_at, job.attempts, job.most);
    if !job.served {
        return Cause::NoWorker { step, queue: job.queue.clone(), since };
    }
    if let Some(Full { key, held, most }) = job.full.clone() {
        return Cause::KeyLimit { step, key, held, most, since };
    }
    match (job.state, &job.last) {
        (JobState::Suspect, _) => Cause::Suspect { step, lost: job.lost, since, attempt, most },
        (JobState::Expired, Some((worker, _))) => {
            Cause::WorkerLost { step, worker: worker.clone(), since, attempt, most }
        }
        _ => Cause::Queued { step, queue: job.queue.clone(), since },
    }
}

#[cfg(test)]
mod tests;
