//! The clock of a harness gap: from the incident to the merged case.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// When people are reminded, in per cent of the time that the policy gives; at the last one the gap is overdue.
pub const REMINDERS: [u8; 3] = [50, 75, 100];
/// The time that a gap has where the policy names none, in minutes: 48 hours, as the contract's own example has it.
pub const DEFAULT_LIMIT_MINUTES: u32 = 48 * 60;
/// The longest time before now that an incident may have happened, in days: a clock that began earlier is a mistake of the
/// sender's, and would be overdue before anybody has seen it.
pub const LONGEST_AGO_DAYS: i64 = 365;

/// A clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// When it began: when the incident happened, or when the issue was opened.
    pub started_at: DateTime<Utc>,
    /// How long the policy gives, in minutes; at least one.
    pub limit_minutes: u32,
    /// When it was stopped: the case was merged, or a person said that there is no gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<DateTime<Utc>>,
}

/// What a clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// So much of its time is used up, in per cent below 100.
    Running(u8),
    /// It is overdue since then.
    Overdue(DateTime<Utc>),
    /// It was stopped in time.
    InTime,
    /// It was stopped too late.
    Late,
}

impl Clock {
    /// When the case is due.
    #[must_use]
    pub fn due_at(&self) -> DateTime<Utc> {
        self.at(100)
    }

    /// When so much of the time is used up.
    #[must_use]
    pub fn at(&self, percent: u8) -> DateTime<Utc> {
        let seconds = i64::from(self.limit_minutes) * 60 * i64::from(percent) / 100;
        self.started_at.checked_add_signed(TimeDelta::seconds(seconds)).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// What it shows.
    #[must_use]
    pub fn read(&self, now: DateTime<Utc>) -> Reading {
        let due = self.due_at();
        match self.stopped_at {
            Some(stopped) if stopped <= due => Reading::InTime,
            Some(_) => Reading::Late,
            None if now >= due => Reading::Overdue(due),
            None => {
                let used = (now - self.started_at).num_seconds().max(0) * 100;
                let percent = used / (i64::from(self.limit_minutes.max(1)) * 60);
                Reading::Running(u8::try_from(percent.min(99)).unwrap_or(0))
            }
        }
    }

    /// The reminders that are due by now, and when the next one is, if there is one. A clock that was stopped reminds of
    /// nothing any more.
    #[must_use]
    pub fn reminders(&self, now: DateTime<Utc>) -> (Vec<u8>, Option<DateTime<Utc>>) {
        if self.stopped_at.is_some() {
            return (Vec::new(), None);
        }
        let due = REMINDERS.into_iter().filter(|percent| self.at(*percent) <= now).collect();
        let next = REMINDERS.into_iter().map(|percent| self.at(percent)).find(|at| *at > now);
        (due, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn clock(stopped: Option<i64>) -> Clock {
        Clock { started_at: at(0), limit_minutes: 100, stopped_at: stopped.map(at) }
    }

    #[test]
    fn a_clock_runs_is_overdue_and_is_stopped_in_time_or_late() {
        for (stopped, now, expected) in [
            (None, -5, Reading::Running(0)),
            (None, 0, Reading::Running(0)),
            (None, 50, Reading::Running(50)),
            (None, 99, Reading::Running(99)),
            (None, 100, Reading::Overdue(at(100))),
            (None, 500, Reading::Overdue(at(100))),
            (Some(100), 500, Reading::InTime),
            (Some(101), 500, Reading::Late),
        ] {
            assert_eq!(clock(stopped).read(at(now)), expected, "stopped {stopped:?} at {now}");
        }
    }

    #[test]
    fn each_reminder_is_due_at_its_share_of_the_time() {
        for (now, due, next) in [
            (0, vec![], Some(50)),
            (49, vec![], Some(50)),
            (50, vec![50], Some(75)),
            (80, vec![50, 75], Some(100)),
            (100, vec![50, 75, 100], None),
        ] {
            assert_eq!(clock(None).reminders(at(now)), (due, next.map(at)), "at {now}");
        }
        assert_eq!(clock(Some(40)).reminders(at(90)), (vec![], None));
    }

    #[test]
    fn no_clock_is_too_long_for_the_calendar() {
        let far = Clock { started_at: DateTime::<Utc>::MAX_UTC, limit_minutes: u32::MAX, stopped_at: None };
        assert_eq!(far.due_at(), DateTime::<Utc>::MAX_UTC);
    }
}
