//! Which webhooks the forge is asked to deliver again, and when. docs.github.com "Handling failed webhook deliveries".

use std::{collections::BTreeMap, time::Duration};

/// How often a webhook is asked for. Runs poll the forge too, so that one that never arrives costs time only.
pub const MOST_REQUESTS: u32 = 5;

/// The wait before the second request; each further one is four times as long, so that the last one is made within
/// eight hours. The forge keeps a delivery for three days.
const FIRST_WAIT: Duration = Duration::from_secs(300);

/// What an attempt at a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// The receiver took it.
    Yes,
    /// The receiver answered that it does not take it, and would answer that again.
    Refused,
    /// The receiver was out of reach, overloaded or failed.
    Failed,
}

impl Received {
    /// By the status of the answer; a number that no answer has means that there was none.
    #[must_use]
    pub const fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Yes,
            408 | 429 => Self::Failed,
            300..=499 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// One attempt at a delivery, as the forge lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The forge's number of the attempt, which grows.
    pub number: u64,
    /// What all attempts at a delivery share.
    pub guid: String,
    /// The status of the answer.
    pub status: u16,
}

/// What a list of attempts says about deliveries.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Those that were lost so far: the newest attempt of each.
    pub lost: Vec<Attempt>,
    /// Those that need no other attempt: an attempt was received, or the newest one was refused.
    pub settled: Vec<String>,
}

/// Sorts the deliveries of a list, whose order and gaps do not matter.
#[must_use]
pub fn sort(attempts: &[Attempt]) -> Sorted {
    let mut newest = BTreeMap::<&str, &Attempt>::new();
    for attempt in attempts {
        let known = newest.entry(&attempt.guid).or_insert(attempt);
        let is_received = |it: &Attempt| Received::of(it.status) == Received::Yes;
        if !is_received(known) && (is_received(attempt) || attempt.number > known.number) {
            *known = attempt;
        }
    }
    let mut sorted = Sorted::default();
    for (guid, attempt) in newest {
        match Received::of(attempt.status) {
            Received::Yes | Received::Refused => sorted.settled.push(guid.to_owned()),
            Received::Failed => sorted.lost.push(attempt.clone()),
        }
    }
    sorted
}

/// How long to wait after this many requests before the next one.
#[must_use]
pub fn wait_after(requests: u32) -> Duration {
    FIRST_WAIT * 4_u32.saturating_pow(requests.clamp(1, MOST_REQUESTS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u64, guid: &str, status: u16) -> Attempt {
        Attempt { number, guid: guid.to_owned(), status }
    }

    #[test]
    fn a_status_says_whether_another_attempt_could_do_better() {
        let check = |status, expected| assert_eq!(Received::of(status), expected, "{status}");
        check(200, Received::Yes);
        check(202, Received::Yes);
        check(301, Received::Refused);
        check(401, Received::Refused);
        check(404, Received::Refused);
        check(408, Received::Failed);
        check(429, Received::Failed);
        check(500, Received::Failed);
        check(502, Received::Failed);
        check(0, Received::Failed);
    }

    #[test]
    fn a_delivery_is_lost_while_its_newest_attempt_failed_and_none_was_received() {
        let check = |attempts: &[Attempt], lost: &[u64], settled: &[&str]| {
            for attempts in [attempts.to_vec(), attempts.iter().rev().cloned().collect()] {
                let found = sort(&attempts);
                let numbers: Vec<u64> = found.lost.iter().map(|one| one.number).collect();
                assert_eq!(
                    (numbers.as_slice(), found.settled),
                    (lost, settled.iter().map(|&it| it.to_owned()).collect())
                );
            }
        };
        check(&[], &[], &[]);
        check(&[attempt(1, "a", 502)], &[1], &[]);
        check(&[attempt(1, "a", 502), attempt(2, "b", 200)], &[1], &["b"]);
        check(&[attempt(1, "a", 502), attempt(2, "a", 503)], &[2], &[]);
        check(&[attempt(1, "a", 200), attempt(2, "a", 503)], &[], &["a"]);
        check(&[attempt(1, "a", 502), attempt(2, "a", 200)], &[], &["a"]);
        check(&[attempt(1, "a", 502), attempt(2, "a", 401)], &[], &["a"]);
        check(&[attempt(1, "a", 401), attempt(2, "a", 502)], &[2], &[]);
    }

    #[test]
    fn all_requests_are_made_while_the_forge_keeps_the_delivery() {
        let minutes: Vec<u64> = (1..MOST_REQUESTS).map(|asked| wait_after(asked).as_secs() / 60).collect();
        assert_eq!(minutes, [5, 20, 80, 320]);
        assert!(minutes.iter().sum::<u64>() < 8 * 60);
        assert!(wait_after(0) == wait_after(1) && wait_after(u32::MAX) == wait_after(MOST_REQUESTS));
    }
}
