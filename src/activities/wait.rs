//! Waiting for the forge without holding a worker: a park with a timer and the webhooks that end it early.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Polling, Reply, attempt::Attempt};
use crate::core::{
    question::LOOK_AGAIN,
    run::{Awaited, Park, Progress, Topic},
};

/// How often a merge in the background may be polled. docs.github.com: about once a second.
const BACKGROUND: Duration = Duration::from_secs(1);

/// How long a run waits for people whose pull request is in the listings of its repository.
const LISTED: Duration = Duration::from_secs(24 * 3600);

/// Waits for something that others do; `reason` follows "waiting for".
pub(super) fn wait(at: &Attempt<'_>, reason: String) -> Reply {
    park(at, reason, entered(at), at.factory.polling, Awaited::Machines)
}

/// Waits for what others do, and at most until then; `reason` follows "waiting for".
pub(super) fn wait_until(at: &Attempt<'_>, reason: String, until: DateTime<Utc>) -> Reply {
    match wait(at, reason) {
        Reply::Park(park, progress) => Reply::Park(Park { until: park.until.min(until), ..park }, progress),
        reply => reply,
    }
}

/// Waits for what only these people can do.
pub(super) fn wait_for_people(at: &Attempt<'_>, reason: String, awaited: Awaited) -> Reply {
    park(at, reason, entered(at), at.factory.polling, awaited)
}

/// Waits for the answers of the requester: nothing at the forge ends it, so that nothing is polled.
pub(super) fn wait_for_answers(at: &Attempt<'_>, reason: String) -> Park {
    let until = at.stored.now + LOOK_AGAIN;
    Park { awaited: Awaited::Requester, ..Park::new(reason, Vec::new(), until) }
}

/// Waits for what a person says to dependencies that nobody has pushed: nothing at the forge ends it.
pub(super) fn wait_for_consent(at: &Attempt<'_>, reason: String) -> Park {
    let until = at.stored.now + LOOK_AGAIN;
    Park { awaited: Awaited::Keepers, ..Park::new(reason, Vec::new(), until) }
}

/// Waits for what many runs may wait for at once: each looks as rarely as at a person.
pub(super) fn wait_rarely(at: &Attempt<'_>, reason: String) -> Reply {
    let polling = Polling { moving: at.factory.polling.people, ..at.factory.polling };
    park(at, reason, entered(at), polling, Awaited::Machines)
}

/// Waits for another head of a pull request of others, which the listings of its repository show too; `reason` follows
/// "waiting for".
pub(super) fn wait_for_push(at: &Attempt<'_>, reason: String) -> Reply {
    Reply::Park(
        Park::new(reason, vec![Topic::Pull, Topic::Push], at.stored.now + LISTED),
        Progress::default(),
    )
}

/// Waits for the forge, which has worked on it since then.
pub(super) fn wait_for_forge(at: &Attempt<'_>, reason: String, since: DateTime<Utc>) -> Reply {
    let least = at.factory.polling.least.min(BACKGROUND);
    park(at, reason, since, Polling { least, ..at.factory.polling }, Awaited::Machines)
}

fn entered(at: &Attempt<'_>) -> DateTime<Utc> {
    at.run().state.entered().unwrap_or(at.stored.now)
}

fn park(at: &Attempt<'_>, reason: String, since: DateTime<Utc>, polling: Polling, awaited: Awaited) -> Reply {
    let now = at.stored.now;
    let waited = (now - since).to_std().unwrap_or_default();
    let park = Park {
        reason,
        topics: vec![Topic::Checks, Topic::Reviews, Topic::Pull, Topic::Push],
        until: now + pause_of(at, waited, polling, awaited),
        awaited,
        look: None,
    };
    Reply::Park(park, Progress::default())
}

/// The same wait again, until the next look.
pub(super) fn wait_on(at: &Attempt<'_>, park: Park) -> Reply {
    let now = at.stored.now;
    let waited = (now - entered(at)).to_std().unwrap_or_default();
    let until = now + pause_of(at, waited, at.factory.polling, park.awaited);
    Reply::Park(Park { until, ..park }, Progress::default())
}

/// How long this run waits until its next look. The pull requests of others are many, and one listing shows what people did
/// to all of a repository; a look of its own is left for what no listing shows.
fn pause_of(at: &Attempt<'_>, waited: Duration, polling: Polling, awaited: Awaited) -> Duration {
    match (at.brief.theirs(), awaited.is_people()) {
        (Some(_), true) => LISTED,
        (Some(_), false) => pause(waited, Polling { moving: polling.people, ..polling }, awaited),
        (None, _) => pause(waited, polling, awaited),
    }
}

/// How long to wait until the next poll: another quarter of the time that was waited, within the bounds.
fn pause(waited: Duration, polling: Polling, awaited: Awaited) -> Duration {
    let most = if awaited.is_people() { polling.people } else { polling.moving };
    (waited / 4).max(polling.least).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_is_looked_at_every_minute_and_a_person_twice_an_hour() {
        let check = |minutes: u64, awaited, expected: u64| {
            let pause = pause(Duration::from_secs(60 * minutes), Polling::default(), awaited);
            assert_eq!(pause.as_secs(), expected, "{minutes} minutes of {awaited:?}");
        };
        check(0, Awaited::Machines, 15);
        check(2, Awaited::Machines, 30);
        check(4, Awaited::Machines, 60);
        check(24 * 60, Awaited::Machines, 60);
        check(0, Awaited::Approvers, 15);
        check(4, Awaited::Approvers, 60);
        check(60, Awaited::Approvers, 900);
        check(24 * 60, Awaited::Approvers, 1800);
    }
}
