//! Why a run is where it is: exactly one cause, for machines and in a sentence for people.
//!
//! [`why`] is total: whatever the facts are, it names a cause. What it cannot see it says so.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
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
    /// A worker holds it.
    pub held: bool,
    /// The error of the last attempt that failed.
    pub error: Option<String>,
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
    /// No worker has taken the job yet.
    Queued {
        /// The step.
        step: String,
        /// The queue.
        queue: String,
        /// Since when it could have been taken.
        since: DateTime<Utc>,
    },
    /// The run asks for a job that is not in the table; one moment may lie between two steps, no longer.
    JobMissing {
        /// The step.
        step: String,
        /// When the run entered the step.
        since: DateTime<Utc>,
    },
}

/// The cause, from the run and the job it asked for, at `now`.
#[must_use]
pub fn why(run: &Run, job: Option<&Job>, now: DateTime<Utc>) -> Cause {
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
            finishing: job.is_some_and(|job| job.held),
        },
        (State::At { step, since }, None) => Cause::JobMissing { step: step.clone(), since: *since },
        (State::At { step, .. }, Some(job)) => of_job(step.clone(), job, now),
    }
}

fn of_job(step: String, job: &Job, now: DateTime<Utc>) -> Cause {
    let (attempt, most) = (job.attempts, job.most);
    match (&job.last, &job.error) {
        (Some((worker, since)), _) if job.held => {
            Cause::Running { step, worker: worker.clone(), since: *since, attempt, most }
        }
        (_, Some(error)) if job.visible_at > now => {
            Cause::BackingOff { step, until: job.visible_at, error: error.clone(), attempt, most }
        }
        (Some((worker, _)), None) => {
            Cause::WorkerLost { step, worker: worker.clone(), since: job.visible_at, attempt, most }
        }
        _ => Cause::Queued { step, queue: job.queue.clone(), since: job.visible_at },
    }
}

impl Cause {
    /// The cause in a sentence for people; times are told as spans from `now`.
    #[must_use]
    pub fn sentence(&self, now: DateTime<Utc>) -> String {
        match self {
            Self::Ended { name, end, reason } if reason.is_empty() => format!("Ended at `{name}`: {end}."),
            Self::Ended { name, end, reason } => format!("Ended at `{name}` ({end}): {reason}"),
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
            Self::Queued { step, queue, since } => format!(
                "`{step}` has been queued for {} until a worker of `{queue}` is free.",
                span(*since, now)
            ),
            Self::JobMissing { step, since } => format!(
                "`{step}`, entered {} ago, has no job at this moment; ask again, and if that stays so, \
                 the job table was changed by hand.",
                span(*since, now)
            ),
        }
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
    use crate::core::run::{Park, Progress};

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
            held: false,
            error: None,
        }
    }

    fn begun(visible_at: i64) -> Job {
        Job { attempts: 2, last: Some(("w1".to_owned(), at(10))), visible_at: at(visible_at), ..job() }
    }

    fn check(state: &State, job: Option<&Job>, sentence: &str) {
        let cause = why(&run(state.clone()), job, at(100));
        assert_eq!(cause.sentence(at(100)), sentence);
    }

    #[test]
    fn every_standing_has_exactly_one_cause() {
        let here = State::At { step: "review".to_owned(), since: at(0) };
        let failed = |visible_at| Job { error: Some("503".to_owned()), ..begun(visible_at) };
        check(
            &here,
            Some(&job()),
            "`review` has been queued for 1 min 40 s until a worker of `llm` is free.",
        );
        check(
            &here,
            Some(&Job { held: true, ..begun(130) }),
            "`review` has been running for 1 min 30 s on w1, attempt 2 of 5.",
        );
        check(
            &here,
            Some(&Job { held: true, ..failed(130) }),
            "`review` has been running for 1 min 30 s on w1, attempt 2 of 5.",
        );
        check(
            &here,
            Some(&failed(130)),
            "`review` failed in attempt 2 of 5 and is tried again in 30 s; last: 503",
        );
        check(&here, Some(&failed(99)), "`review` has been queued for 1 s until a worker of `llm` is free.");
        check(
            &here,
            Some(&begun(40)),
            "`review` lost its worker w1 1 min 0 s ago in attempt 2 of 5; the next free worker takes it.",
        );
        check(
            &here,
            None,
            "`review`, entered 1 min 40 s ago, has no job at this moment; ask again, and if that stays so, the job table was changed by hand.",
        );
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
            Some(&Job { held: true, ..begun(130) }),
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
        check(&end("merged as abc"), Some(&job()), "Ended at `done` (succeeded): merged as abc");
        check(&end(""), None, "Ended at `done`: succeeded.");
    }
}
