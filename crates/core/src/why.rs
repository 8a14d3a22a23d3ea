//! Why a run is where it is: exactly one cause, for machines and in a sentence for people.
//!
//! [`why`] is total: whatever the facts are, it names a cause. What it cannot see it says so.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    job::JobState,
    run::{PauseCause, Run, State},
    workflow::End,
};

/// The job that a run has asked for, as it stands.
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
    /// The worker of the last attempt, and when that began.
    pub last: Option<(String, DateTime<Utc>)>,
    /// Its state.
    pub state: JobState,
    /// Workers that were lost in a row, with the last one if its lease ran out.
    pub lost: u32,
    /// The error of the last attempt that failed.
    pub error: Option<String>,
    /// The rate limit that its last call was held back by, and why that is closed.
    pub held_back: Option<(String, Option<String>)>,
    /// A limited key of the job that lets no more in.
    pub full: Option<Full>,
    /// A worker serves the queue.
    pub served: bool,
}

/// A key at its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Full {
    /// The key.
    pub key: String,
    /// How many jobs are held under it.
    pub held: u32,
    /// The most.
    pub most: u32,
}

/// The one reason why a run is where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// It is over.
    Ended {
        /// The end's name in the workflow.
        name: String,
        /// What that means.
        end: End,
        /// Why it ended there.
        reason: String,
    },
    /// A step waits for news from outside.
    Waiting {
        /// The step.
        step: String,
        /// What it waits for.
        reason: String,
        /// When the run entered the step.
        since: DateTime<Utc>,
        /// When it looks again even without news.
        next_look: DateTime<Utc>,
    },
    /// Nothing is asked for until somebody resumes it.
    Paused {
        /// The step where it goes on.
        step: String,
        /// Who paused it.
        by: String,
        /// Why.
        reason: String,
        /// What kind of reason that is.
        cause: PauseCause,
        /// When it was paused.
        since: DateTime<Utc>,
        /// A worker that was at it then still is, and may answer.
        finishing: bool,
    },
    /// A worker is at it.
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
    /// The worker's lease ran out before it answered; the next free worker begins again.
    WorkerLost {
        /// The step.
        step: String,
        /// The worker.
        worker: String,
        /// When its lease ended.
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
    /// A rate limit that all workers share held a call back; this is no failure.
    HeldBack {
        /// The step.
        step: String,
        /// The limit's key.
        key: String,
        /// When the job is due again.
        until: DateTime<Utc>,
        /// Why the limit is closed, if the other side said so.
        why: Option<String>,
    },
    /// The run is of a newer release than the worker that looked at it, which left it.
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
        /// Since when it could have been taken.
        since: DateTime<Utc>,
    },
    /// The job is due, and as many jobs with one of its keys are held as may be.
    KeyLimit {
        /// The step.
        step: String,
        /// The key.
        key: String,
        /// How many jobs are held under it.
        held: u32,
        /// The most.
        most: u32,
        /// Since when it could have been taken.
        since: DateTime<Utc>,
    },
    /// The job may be what its workers died of: a worker does only one such job at a time.
    Suspect {
        /// The step.
        step: String,
        /// Workers that were lost in a row.
        lost: u32,
        /// Since when it could have been taken.
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
        /// Since when it could have been taken.
        since: DateTime<Utc>,
    },
    /// The run asks for a job that is not in the table: somebody changed that by hand.
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
        (State::Paused { was, by, reason, cause, since, .. }, job) => Cause::Paused {
            step: was.step().unwrap_or_default().to_owned(),
            by: by.clone(),
            reason: reason.clone(),
            cause: *cause,
            since: *since,
            finishing: job.is_some_and(|job| job.state == JobState::Running),
        },
        (State::At { step, since }, None) => Cause::JobMissing { step: step.clone(), since: *since },
        (State::At { step, .. }, Some(job)) => of_job(step.clone(), job),
    }
}

fn of_job(step: String, job: &Job) -> Cause {
    let (attempt, most, until) = (job.attempts, job.most, job.visible_at);
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

/// What keeps a due job from being claimed: first what the most of its kind wait for.
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

impl Cause {
    /// The cause in a sentence for people; times are told as spans from `now`.
    #[must_use]
    pub fn sentence(&self, now: DateTime<Utc>) -> String {
        match self {
            Self::Ended { end, reason, .. } if reason.is_empty() => format!("{}.", ending(*end)),
            Self::Ended { end, reason, .. } => format!("{}: {reason}", ending(*end)),
            Self::Waiting { step, reason, since, next_look } => format!(
                "`{step}` has been waiting {} for {reason}; it looks again {} even without news.",
                span(*since, now),
                ahead(now, *next_look)
            ),
            Self::Paused { by, reason, since, finishing, .. } => format!(
                "Paused {} ago by {by}: {reason}; {}resume it to go on.",
                span(*since, now),
                if *finishing { "a worker still finishes what it began; " } else { "" }
            ),
            Self::Running { step, worker, since, attempt, most } => format!(
                "`{step}` has been running for {} on {worker}, attempt {attempt} of {most}.",
                span(*since, now)
            ),
            Self::WorkerLost { step, worker, since, attempt, most } => format!(
                "`{step}` lost its worker {worker} {} ago in attempt {attempt} of {most}; \
                 the next free worker takes it.",
                span(*since, now)
            ),
            Self::BackingOff { step, until, error, attempt, most } => format!(
                "`{step}` failed in attempt {attempt} of {most} and is tried again {}; last: {error}",
                ahead(now, *until)
            ),
            Self::HeldBack { step, key, until, why } => format!(
                "`{step}` is held back by the rate limit {key} until {}{}.",
                until.format("%H:%M:%S UTC"),
                why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
            ),
            Self::NewerRelease { step, worker, until } => format!(
                "`{step}` needs a newer release than that of {worker}, which left it; it is offered again {}.",
                ahead(now, *until)
            ),
            Self::NoWorker { step, queue, since } => format!(
                "`{step}` has been due for {}, and no worker of the queue `{queue}` is connected: start one.",
                span(*since, now)
            ),
            Self::KeyLimit { step, key, held, most, since } => format!(
                "`{step}` has been waiting {} for its turn: {held} of at most {most} jobs of {key} are at work.",
                span(*since, now)
            ),
            Self::Suspect { step, lost, since, attempt, most } => format!(
                "`{step}` has lost {lost} worker{} in a row, attempt {attempt} of {most}, and has been waiting {} \
                 for one that does no other such job.",
                if *lost == 1 { "" } else { "s" },
                span(*since, now)
            ),
            Self::Queued { step, queue, since } => format!(
                "`{step}` has been queued for {}; the workers of `{queue}` are busy.",
                span(*since, now)
            ),
            Self::JobMissing { step, since } => format!(
                "`{step}`, entered {} ago, has no job: the job table was changed by hand.",
                span(*since, now)
            ),
        }
    }
}

fn ending(end: End) -> &'static str {
    match end {
        End::Succeeded => "Done",
        End::Failed => "It cannot be done",
        End::Blocked => "A person is needed",
        End::Cancelled => "Called off",
    }
}

fn ahead(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    if at > now { format!("in {}", span(now, at)) } else { "now".to_owned() }
}

fn span(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let seconds = (to - from).num_seconds().max(0);
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::TimeDelta;

    use super::*;
    use crate::{
        job::JobState::{Available, Expired, RateLimited, Running, Scheduled, Suspect},
        run::{Park, Progress},
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn run(state: State) -> Run {
        Run {
            state,
            turn: 1,
            visits: BTreeMap::new(),
            forgiven: BTreeMap::new(),
            progress: Progress::default(),
        }
    }

    fn job() -> Job {
        Job {
            queue: "llm".to_owned(),
            visible_at: at(0),
            attempts: 0,
            most: 5,
            last: None,
            state: JobState::Available,
            lost: 0,
            error: None,
            held_back: None,
            full: None,
            served: true,
        }
    }

    fn begun(state: JobState, visible_at: i64) -> Job {
        let last = Some(("w1".to_owned(), at(10)));
        Job { attempts: 2, last, visible_at: at(visible_at), state, ..job() }
    }

    fn check(state: &State, job: Option<&Job>, sentence: &str) {
        let cause = why(&run(state.clone()), job);
        assert_eq!(cause.sentence(at(100)), sentence);
    }

    /// A run at `review` with this job, after 100 s.
    #[track_caller]
    fn at_review(job: &Job, sentence: &str) {
        check(&State::At { step: "review".to_owned(), since: at(0) }, Some(job), sentence);
    }

    #[test]
    fn what_a_worker_has_begun_is_told_first() {
        let running = "`review` has been running for 1 min 30 s on w1, attempt 2 of 5.";
        let failed = Job { error: Some("503".to_owned()), ..begun(Scheduled, 130) };
        at_review(&begun(Running, 130), running);
        at_review(&Job { state: Running, ..failed.clone() }, running);
        at_review(&Job { served: false, lost: 2, ..begun(Running, 130) }, running);
        at_review(&failed, "`review` failed in attempt 2 of 5 and is tried again in 30 s; last: 503");
    }

    #[test]
    fn a_job_that_is_not_due_says_until_when_and_why() {
        let limit = Some(("github:x:y".to_owned(), Some("429".to_owned())));
        let job =
            Job { held_back: limit, error: Some("503".to_owned()), served: false, ..begun(RateLimited, 130) };
        at_review(&job, "`review` is held back by the rate limit github:x:y until 00:02:10 UTC: 429.");
        at_review(
            &begun(Scheduled, 130),
            "`review` needs a newer release than that of w1, which left it; it is offered again in 30 s.",
        );
    }

    #[test]
    fn a_due_job_says_what_keeps_it_from_being_taken() {
        let queued = "`review` has been queued for 1 min 40 s; the workers of `llm` are busy.";
        at_review(&job(), queued);
        let full = Some(Full { key: "model:default".to_owned(), held: 2, most: 2 });
        let lost = Job { lost: 1, ..begun(Expired, 40) };
        at_review(
            &Job { served: false, full: full.clone(), ..job() },
            "`review` has been due for 1 min 40 s, and no worker of the queue `llm` is connected: start one.",
        );
        at_review(
            &Job { full, ..begun(Suspect, 40) },
            "`review` has been waiting 1 min 0 s for its turn: 2 of at most 2 jobs of model:default are at work.",
        );
        at_review(
            &Job { lost: 2, ..begun(Suspect, 40) },
            "`review` has lost 2 workers in a row, attempt 2 of 5, and has been waiting 1 min 0 s for one that does no other such job.",
        );
        at_review(
            &lost,
            "`review` lost its worker w1 1 min 0 s ago in attempt 2 of 5; the next free worker takes it.",
        );
    }

    #[test]
    fn what_no_longer_holds_a_job_back_is_not_told() {
        let queued = "`review` has been queued for 1 s; the workers of `llm` are busy.";
        let failed = Job { error: Some("503".to_owned()), ..begun(Available, 99) };
        at_review(&failed, queued);
        at_review(&Job { held_back: Some(("github:x:y".to_owned(), None)), ..failed }, queued);
        // It was given back.
        at_review(&begun(Available, 99), queued);
    }

    #[test]
    fn a_run_without_its_job_says_so() {
        let here = State::At { step: "review".to_owned(), since: at(0) };
        let sentence = "`review`, entered 1 min 40 s ago, has no job: the job table was changed by hand.";
        check(&here, None, sentence);
    }

    #[test]
    fn a_paused_run_says_who_paused_it_why_and_what_to_do() {
        let paused = State::Paused {
            was: Box::new(State::At { step: "review".to_owned(), since: at(0) }),
            queued: true,
            by: "pm@acme".to_owned(),
            reason: "waiting for legal".to_owned(),
            cause: PauseCause::Person,
            since: at(-7_280),
        };
        check(
            &paused,
            Some(&job()),
            "Paused 2 h 3 min ago by pm@acme: waiting for legal; resume it to go on.",
        );
        check(
            &paused,
            Some(&begun(Running, 130)),
            "Paused 2 h 3 min ago by pm@acme: waiting for legal; a worker still finishes what it began; resume it to go on.",
        );
    }

    #[test]
    fn a_waiting_run_says_for_what_and_an_ended_one_why() {
        let park = Park { reason: "CI Pipeline".to_owned(), topics: vec![], until: at(7_300) };
        let waiting = State::Waiting { step: "verdict".to_owned(), since: at(0), park };
        check(
            &waiting,
            None,
            "`verdict` has been waiting 1 min 40 s for CI Pipeline; it looks again in 2 h 0 min even without news.",
        );
        let end = |reason: &str| State::Ended {
            name: "done".to_owned(),
            end: End::Succeeded,
            reason: reason.to_owned(),
        };
        check(&end("merged as abc"), Some(&job()), "Done: merged as abc");
        check(&end(""), None, "Done.");
    }
}
