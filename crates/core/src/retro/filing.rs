//! When a proposal is filed: the same cause in three runs of a product within thirty days, once.

use chrono::{DateTime, TimeDelta, Utc};

/// In how many different runs a cause must have come. One is chance, two may be; a third is a habit.
pub const RUNS: usize = 3;
/// Within how many days. What came up more rarely costs less than the people's time that a proposal takes.
pub const DAYS: i64 = 30;

/// What is known of a cause in a product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// When each run with this cause ended; each run once.
    pub runs: Vec<DateTime<Utc>>,
    /// Whether a proposal is open.
    pub is_open: bool,
    /// When the last proposal was accepted or dismissed.
    pub decided_at: Option<DateTime<Utc>>,
}

impl Known {
    /// Whether a proposal is filed now. What came before the last decision does not count: people knew of it.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        let since = now - TimeDelta::days(DAYS);
        let is_new =
            |at: &&DateTime<Utc>| **at > since && self.decided_at.is_none_or(|decided| **at > decided);
        !self.is_open && self.runs.iter().filter(is_new).count() >= RUNS
    }
}
