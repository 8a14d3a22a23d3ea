//! When a commit became the head of a branch, and whether it had been the head before.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};

use crate::sha::Sha;

/// By how much the forge's clock may differ from ours. A push that is taken for later than it was voids only what
/// is older still.
const SKEW: Duration = Duration::minutes(5);

/// What is known of the pushes to a branch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pushes {
    /// When we pushed the head, if we did; we push each commit once.
    pub ours: Option<DateTime<Utc>>,
    /// The first parent of the head. If we pushed the head, it was the head until then.
    pub parent: Option<Sha>,
    /// What the head is built on, what we pushed before it, and where we created the branch. None of that can follow
    /// the head without a forced push.
    pub before: BTreeSet<Sha>,
    /// The pushes that the forge announced, in the order in which we heard of them. An announcement may be lost,
    /// late, or doubled by a second webhook.
    pub announced: Vec<(Sha, DateTime<Utc>)>,
    /// When the branch was force-pushed or restored, to whatever commit, by the forge's clock. We never do.
    pub forced: Vec<DateTime<Utc>>,
}

/// How a commit became the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When; `None` if no push of it is known.
    pub since: Option<DateTime<Utc>>,
    /// Whether it had been the head before and came back: nothing from before `since` counts.
    pub returned: bool,
}

impl Pushes {
    /// How `head` became the head. It cannot come back without a forced push, and its second announcement follows
    /// that of a commit which we did not push before it; either is enough to tell.
    #[must_use]
    pub fn arrival(&self, head: &Sha) -> Arrival {
        let heard = |(sha, at): &(Sha, DateTime<Utc>)| (sha == head).then_some(*at);
        let first = self.ours.or_else(|| self.announced.iter().find_map(heard));
        let is_after = |forced: &&DateTime<Utc>| first.is_none_or(|first| **forced + SKEW >= first);
        let forced = self.forced.iter().filter(is_after).max().copied();
        let again = self.announced_again(head);
        let since = [first, again, forced].into_iter().flatten().max();
        Arrival { since, returned: again.or(forced).is_some() }
    }

    /// When the push of another commit was announced between two pushes of `head`. Its own second announcement may
    /// come after checks have begun, which count, so it gives no time.
    fn announced_again(&self, head: &Sha) -> Option<DateTime<Utc>> {
        let is_head = |(sha, _): &&(Sha, DateTime<Utc>)| sha == head;
        let is_other = |(sha, _): &(Sha, DateTime<Utc>)| sha != head && !self.before.contains(sha);
        let announced = self.announced.iter().position(|it| is_head(&it));
        // An announcement of our own push may come after the next one, so that the push itself counts as the first.
        // What was announced before its parent is what others had pushed before us.
        let first = if self.ours.is_some() { self.announced_parent(announced) } else { announced? };
        let other = first + self.announced[first..].iter().position(is_other)?;
        let again = self.announced[other..].iter().any(|it| is_head(&it));
        let others = self.announced[other..].iter().filter(|it| is_other(it));
        others.map(|(_, at)| *at).max().filter(|_| again)
    }

    /// The position of the last announcement of the parent before that of the head; the first of all if there is none.
    fn announced_parent(&self, head: Option<usize>) -> usize {
        let until_head = &self.announced[..head.unwrap_or(self.announced.len())];
        until_head.iter().rposition(|(sha, _)| Some(sha) == self.parent.as_ref()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha(digit: char) -> Sha {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn minute(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::minutes(minute)
    }

    /// The head is `b`, which we pushed at minute 10 over `a`; `c` is foreign, and `d` is ours from later on.
    #[track_caller]
    fn check(announced: &[(char, i64)], forced: &[i64], since: i64, returned: bool) {
        let pushes = Pushes {
            ours: Some(minute(10)),
            parent: Some(sha('a')),
            before: BTreeSet::from([sha('a')]),
            announced: announced.iter().map(|(digit, at)| (sha(*digit), minute(*at))).collect(),
            forced: forced.iter().copied().map(minute).collect(),
        };
        assert_eq!(pushes.arrival(&sha('b')), Arrival { since: Some(minute(since)), returned });
    }

    #[test]
    fn a_commit_that_was_pushed_once_never_returned() {
        check(&[], &[], 10, false);
        check(&[('b', 11)], &[], 10, false);
        check(&[('a', 2), ('b', 11), ('b', 12)], &[], 10, false);
        check(&[('b', 11), ('a', 12), ('b', 13)], &[], 10, false);
        check(&[('b', 11), ('c', 20)], &[], 10, false);
        check(&[('b', 11)], &[3], 10, false);
        check(&[('c', 1), ('a', 2), ('b', 11)], &[], 10, false);
        check(&[('a', 1), ('c', 2), ('a', 3), ('b', 11), ('b', 12)], &[], 10, false);
        let none = Pushes::default().arrival(&sha('b'));
        assert_eq!(none, Arrival { since: None, returned: false });
    }

    #[test]
    fn a_commit_that_came_back_is_the_head_since_its_newest_push() {
        check(&[('b', 11), ('c', 20), ('b', 30)], &[], 20, true);
        check(&[('b', 11), ('d', 20), ('b', 30)], &[], 20, true);
        check(&[('c', 1), ('a', 2), ('b', 11), ('c', 20), ('b', 30)], &[], 20, true);
        check(&[('b', 11), ('c', 20), ('a', 25), ('b', 30)], &[], 20, true);
        check(&[('b', 11)], &[25], 25, true);
        check(&[], &[20, 25], 25, true);
        check(&[('c', 20), ('b', 30)], &[25], 25, true);
    }

    #[test]
    fn what_others_push_over_ours_did_not_return() {
        let pushes = Pushes {
            parent: Some(sha('b')),
            before: BTreeSet::from([sha('a'), sha('b')]),
            // Two webhooks announce each push, and each in an order of its own.
            announced: [('a', 1), ('b', 11), ('c', 20), ('b', 21), ('c', 22)]
                .map(|(digit, at)| (sha(digit), minute(at)))
                .to_vec(),
            ..Pushes::default()
        };
        assert_eq!(pushes.arrival(&sha('c')), Arrival { since: Some(minute(20)), returned: false });
    }

    #[test]
    fn clocks_that_differ_hide_no_forced_push() {
        check(&[], &[6], 10, true);
    }
}
