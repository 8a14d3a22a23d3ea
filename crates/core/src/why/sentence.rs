//! A cause in a sentence for people.

use chrono::{DateTime, Utc};

use super::Cause;
use crate::{
    words::{counted, seconds_in_words},
    workflow::End,
};

impl Cause {
    /// The cause in a sentence for people, with times relative to `now`.
    #[must_use]
    pub fn sentence(&self, now: DateTime<Utc>) -> String {
        match self {
            Self::Ended { end, reason, .. } if reason.is_empty() => format!("{}.", ending(*end)),
            Self::Ended { end, reason, .. } => format!("{}: {reason}", ending(*end)),
            Self::Waiting { step, reason, since, next_look } => format!(
                "`{step}` has been waiting {} for {reason}; it runs again {} at the latest.",
                span(*since, now),
                ahead(now, *next_look)
            ),
            Self::Paused { by, reason, since, finishing, takeover, .. } => format!(
                "{} {} ago by {by}: {reason}; {}{}.",
                if *takeover { "Taken over" } else { "Paused" },
                span(*since, now),
                if *finishing { "a worker is still finishing its attempt; " } else { "" },
                if *takeover { "resume it to give it back" } else { "resume it to continue" }
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
                "`{step}` failed in attempt {attempt} of {most} and is retried {}; last error: {error}",
                ahead(now, *until)
            ),
            Self::HeldBack { step, key, until, .. } if key.starts_with("hold:") => format!(
                "`{step}` goes on at {}: a hold was released, a few jobs at a time.",
                until.format("%H:%M:%S UTC")
            ),
            Self::HeldBack { step, key, until, why } => format!(
                "`{step}` is held back by the rate limit {key} until {}{}.",
                until.format("%H:%M:%S UTC"),
                why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
            ),
            Self::Outage { step, provider, since, next_probe: Some(next), error, .. } => format!(
                "`{step}` waits: {provider} is down since {} (next probe {}); last error: {error}",
                since.format("%H:%M UTC"),
                ahead(now, *next)
            ),
            Self::Outage { step, provider, since, until, next_probe: None, error } => format!(
                "`{step}` waits for {provider}, which could not be used at {}; it goes on {}; last error: {error}",
                since.format("%H:%M UTC"),
                ahead(now, *until)
            ),
            Self::NewerRelease { step, worker, until } => format!(
                "`{step}` needs a newer release than the one of {worker}; it is offered again {}.",
                ahead(now, *until)
            ),
            Self::NoWorker { step, queue, since } => format!(
                "`{step}` has been due for {}, but no worker of the queue `{queue}` is connected: start one.",
                span(*since, now)
            ),
            Self::OnHold { step, hold } => format!(
                "`{step}` is on hold: {} has held {} for {}: {}; release it to continue.",
                hold.by,
                hold.in_words(),
                span(hold.since, now),
                hold.reason
            ),
            Self::KeyLimit { step, key, held, most, since } => format!(
                "`{step}` has been waiting {} for a slot: {held} of at most {most} jobs of {key} are running.",
                span(*since, now)
            ),
            Self::Suspect { step, lost, since, attempt, most } => format!(
                "`{step}` has lost {} in a row, attempt {attempt} of {most}, and has been waiting {} for a worker \
                 without another such job.",
                counted(*lost, "worker"),
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
        End::Blocked => "It needs a person",
        End::Cancelled => "Cancelled",
    }
}

fn ahead(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    if at > now { format!("in {}", span(now, at)) } else { "now".to_owned() }
}

fn span(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    seconds_in_words((to - from).num_seconds().max(0).unsigned_abs())
}
