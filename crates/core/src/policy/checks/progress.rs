//! When a check last moved: the deadline counts from there, so that slow work is not taken for a dead check.

use chrono::{DateTime, Utc};

use crate::policy::{CheckFact, CheckStatus, Conclusion, Facts};

/// What of a check changes when it moves.
type State = (u64, CheckStatus, Option<Conclusion>, Option<u32>);

/// Fills in [`CheckFact::since`]: what did not move since the earlier facts of the same head keeps its time, and
/// everything else moved now. A check moves with every job of its suite.
pub fn remember(checks: &mut [CheckFact], earlier: &[CheckFact], now: DateTime<Utc>) {
    // What was not asked this time is as it was.
    for check in checks.iter_mut().filter(|check| check.steps.is_none()) {
        let known = earlier.iter().find(|known| known.id == check.id);
        check.steps = known.and_then(|known| known.steps);
    }
    let since: Vec<_> = checks.iter().map(|check| since(check, checks, earlier).unwrap_or(now)).collect();
    for (check, since) in checks.iter_mut().zip(since) {
        check.since = Some(since);
    }
}

/// Since when a check has not moved; `None` if it moved since the earlier facts.
fn since(check: &CheckFact, checks: &[CheckFact], earlier: &[CheckFact]) -> Option<DateTime<Utc>> {
    let known = earlier.iter().find(|known| known.id == check.id)?;
    let stands = match check.suite {
        Some(_) if check.status != CheckStatus::Completed => {
            suite(checks, check.suite) == suite(earlier, check.suite)
        }
        _ => state(check) == state(known),
    };
    known.since.filter(|_| stands)
}

fn suite(checks: &[CheckFact], suite: Option<u64>) -> Vec<State> {
    let mut states: Vec<_> = checks.iter().filter(|check| check.suite == suite).map(state).collect();
    states.sort_unstable_by_key(|state| state.0);
    states
}

const fn state(check: &CheckFact) -> State {
    (check.id, check.status, check.conclusion, check.steps)
}

/// When anything on the head last moved, our own checks left out; at the earliest when the head was pushed.
pub(super) fn last_movement(facts: &Facts) -> DateTime<Utc> {
    let checks = facts.checks.iter().filter(|check| !check.ours).filter_map(|check| check.since);
    let statuses = facts.statuses.iter().filter_map(|status| status.since);
    checks.chain(statuses).fold(facts.head_since, Ord::max)
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;
    use crate::policy::tests::{check_fact, now};

    fn of_suite(id: u64, suite: u64, conclusion: Option<Conclusion>) -> CheckFact {
        CheckFact { suite: Some(suite), ..check_fact("CI", id, conclusion) }
    }

    /// Since when the first check stands, in minutes before the second look.
    fn stands(second: &[CheckFact]) -> i64 {
        let (begin, later) = (now(), now() + Duration::minutes(10));
        let mut earlier = vec![of_suite(1, 5, None), of_suite(2, 5, None), of_suite(3, 6, None)];
        remember(&mut earlier, &[], begin);
        let mut second = second.to_vec();
        remember(&mut second, &earlier, later);
        (later - second[0].since.unwrap()).num_minutes()
    }

    #[test]
    fn a_check_moves_by_itself_and_with_the_jobs_of_its_suite() {
        let done = Some(Conclusion::Success);
        assert_eq!(stands(&[of_suite(1, 5, None), of_suite(2, 5, None)]), 10, "nothing moved");
        assert_eq!(stands(&[of_suite(1, 5, done), of_suite(2, 5, None)]), 0, "it ended");
        assert_eq!(stands(&[of_suite(1, 5, None), of_suite(2, 5, done)]), 0, "a job of its run ended");
        assert_eq!(
            stands(&[of_suite(1, 5, None), of_suite(2, 5, None), of_suite(4, 5, None)]),
            0,
            "a new job"
        );
        let other = [of_suite(1, 5, None), of_suite(2, 5, None), of_suite(3, 6, done)];
        assert_eq!(stands(&other), 10, "a job of another run is no progress of this one");
        let step = CheckFact { steps: Some(3), ..of_suite(1, 5, None) };
        assert_eq!(stands(&[step, of_suite(2, 5, None)]), 0, "a step of its job ended");
        assert_eq!(stands(&[of_suite(9, 5, None)]), 0, "it is new");
    }
}
