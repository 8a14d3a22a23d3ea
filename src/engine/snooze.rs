//! Snoozing a job until a rate limit that all workers share lets its call through.

use std::time::Duration;

use super::{Ack, Engine, Error};
use crate::store::job::{self, Lease};

/// Over how long the jobs are spread that wait for the same window to end.
pub(super) const SPREAD: Duration = Duration::from_secs(2);

impl Engine {
    /// Gives a job back, due again after `until` and a random delay of up to two seconds, because the rate
    /// limit with the key `why` holds its call back. This is not a failure: it uses up no attempt, does not
    /// lengthen the next backoff, and adds no event; the job itself names the limit.
    ///
    /// # Errors
    /// When the database does not answer; the lease then expires.
    pub async fn snooze(&self, lease: &Lease, until: Duration, why: &str) -> Result<Ack, Error> {
        let snoozed = job::snooze(self.pool(), lease, until, SPREAD, why, None).await?;
        Ok(if snoozed { Ack::Committed } else { Ack::Fenced })
    }
}
