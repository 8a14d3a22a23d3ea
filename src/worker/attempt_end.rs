//! How an attempt ended: for the log, a line each, and for the metrics.

use std::{borrow::Cow, time::Duration};

use crate::{
    activities::{Failure, Reply},
    core::words::one_line,
    metrics::Metrics,
    store::job::Lease,
};

/// How an attempt ended. A panic, a timeout and a lost lease are failures too.
pub(super) type AttemptEnd = Result<Reply, Failure>;

/// Counts the end of an attempt and logs it in one line.
pub(super) fn note(metrics: &Metrics, lease: &Lease, end: &AttemptEnd, took: Duration) {
    let (outcome, words) = outcome(end);
    metrics.step(&lease.step, &outcome, took);
    let Lease { run, step, attempt, most, .. } = lease;
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let words = one_line(&words);
    let colon = if words.is_empty() { "" } else { ": " };
    match end {
        Ok(_) | Err(Failure::Snooze { .. } | Failure::LeaseLost) => {
            tracing::info!(run.id = %run, step, attempt, %outcome, ms, "{step} {outcome}{colon}{words}");
        }
        Err(_) => {
            tracing::warn!(run.id = %run, step, attempt, most, %outcome, ms, "{step} {outcome}{colon}{words}");
        }
    }
}

/// The answer, or a word for why there is none; and what is to be said of it.
fn outcome(end: &AttemptEnd) -> (Cow<'static, str>, Cow<'_, str>) {
    let (word, words): (&str, Cow<'_, str>) = match end {
        Ok(Reply::Answer(answer)) => return (answer.outcome.to_string().into(), answer.note.as_str().into()),
        Ok(Reply::Park(park, _)) => ("waits", format!("for {}", park.reason).into()),
        Ok(Reply::Ask(_)) => ("asks", "questions of people".into()),
        Ok(Reply::Consent(_)) => ("asks", "whether dependencies may be installed".into()),
        Err(Failure::Retry { error, .. }) => ("failed", error.as_str().into()),
        Err(Failure::Final { error, .. }) => ("gave_up", error.as_str().into()),
        Err(Failure::Snooze { why, .. }) => ("rate_limited", why.as_str().into()),
        Err(Failure::Outage(outage)) => ("outage", outage.error.as_str().into()),
        Err(Failure::Halt { reason, .. }) => ("paused", reason.as_str().into()),
        Err(Failure::TakenOver { reason, .. }) => ("taken_over", reason.as_str().into()),
        Err(Failure::LeaseLost) => ("lease_lost", "".into()),
    };
    (Cow::Borrowed(word), words)
}
