//! Waiting for the forge without holding a worker: a park with a timer and the webhooks that end it early.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Polling, Reply, attempt::Attempt};
use crate::core::run::{Park, Progress, Topic};

/// How often a merge in the background may be polled. docs.github.com: about once a second.
const BACKGROUND: Duration = Duration::from_secs(1);

/// Waits for something that others do; `reason` follows "waiting for".
pub(super) fn wait(at: &Attempt<'_>, reason: String) -> Reply {
    let since = at.run().state.entered().unwrap_or(at.stored.now);
    park(at, reason, since, at.factory.polling)
}

/// Waits for the forge, which has worked on it since then.
pub(super) fn wait_for_forge(at: &Attempt<'_>, reason: String, since: DateTime<Utc>) -> Reply {
    let Polling { least, most } = at.factory.polling;
    park(at, reason, since, Polling { least: least.min(BACKGROUND), most })
}

fn park(at: &Attempt<'_>, reason: String, since: DateTime<Utc>, polling: Polling) -> Reply {
    let now = at.stored.now;
    let waited = (now - since).to_std().unwrap_or_default();
    let park = Park {
        reason,
        topics: vec![Topic::Checks, Topic::Reviews, Topic::Pull, Topic::Push],
        until: now + pause(waited, polling),
    };
    Reply::Park(park, Progress::default())
}

/// How long to wait until the next poll.
fn pause(waited: Duration, polling: Polling) -> Duration {
    (waited / 4).clamp(polling.least, polling.most)
}
