//! Where the time of a run went.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Happening;

/// The time that attempts took.
pub(super) const WORK: &str = "work";
/// A job waits for a free worker.
const QUEUE: &str = "queue";

/// Milliseconds by what they were spent on, and by step. The first add up to the whole span.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// By cause: `work`, `queue`, `retry`, `outage`, `ended` (until a retry), `before` (earlier runs of a fork), who was
    /// waited for (`approvers`, `requester`, `keepers`, `machines`), or `paused_` with why.
    pub by_cause: BTreeMap<String, i64>,
    /// By step.
    pub by_step: BTreeMap<String, i64>,
}

/// What the time from `since` to the last of these events was spent on.
#[must_use]
pub fn spent(since: DateTime<Utc>, history: &[Happening]) -> Spent {
    let mut spent = Spent::default();
    let mut at = since;
    // Of a fork, the earlier runs of its requirement.
    let mut cause = "before".to_owned();
    let mut paused_in = None;
    for (number, event) in history.iter().enumerate() {
        if number > 0 && event.step.is_none() {
            "ended".clone_into(&mut cause);
        }
        let end = event.at.max(at);
        let began = event.began_at.map_or(end, |began| began.clamp(at, end));
        spent.add_cause(&cause, at, began);
        spent.add_cause(WORK, began, end);
        if let Some(step) = &event.step {
            *spent.by_step.entry(step.clone()).or_default() += (end - at).num_milliseconds();
        }
        at = end;
        if let Some(next) = following(event, &cause, &mut paused_in) {
            cause = next;
        }
    }
    spent
}

impl Spent {
    fn add_cause(&mut self, cause: &str, from: DateTime<Utc>, to: DateTime<Utc>) {
        let ms = to.timestamp_millis() - from.timestamp_millis();
        if ms > 0 {
            *self.by_cause.entry(cause.to_owned()).or_default() += ms;
        }
    }
}

/// What the run waits for after an event; `None`: for the same as before.
fn following(event: &Happening, cause: &str, paused_in: &mut Option<String>) -> Option<String> {
    let next = match event.kind.as_str() {
        "paused" | "taken_over" => {
            if paused_in.is_none() {
                *paused_in = Some(cause.to_owned());
            }
            let why = if event.kind == "taken_over" { "person" } else { event.cause.as_deref()? };
            return Some(format!("paused_{why}"));
        }
        "resumed" => return Some(paused_in.take().unwrap_or_else(|| QUEUE.to_owned())),
        // It stays paused, and goes on from there when it is resumed.
        "answered" | "parked" | "failed" | "signalled" | "woken" if paused_in.is_some() => {
            *paused_in = Some(waits(event)?);
            return None;
        }
        "retried_from" => {
            *paused_in = None;
            QUEUE
        }
        _ => return waits(event),
    };
    Some(next.to_owned())
}

fn waits(event: &Happening) -> Option<String> {
    let next = match event.kind.as_str() {
        "started" | "forked" | "answered" | "skipped" | "signalled" | "woken" | "hurried" | "went_on" => {
            QUEUE
        }
        "parked" => event.awaited.as_deref().unwrap_or("machines"),
        "failed" => "retry",
        "held" => "outage",
        _ => return None,
    };
    Some(next.to_owned())
}
