//! Putting an attempt off for a limit that all workers share.

use std::time::Duration;

use super::{Ack, Engine, Error};
use crate::store::job::{self, Lease};

/// Over how long those are spread that wait for the end of the same window.
pub(super) const SPREAD: Duration = Duration::from_secs(2);

impl Engine {
    /// Gives a job up for `until` from now and up to two seconds more, drawn, because the limit `why`
    /// (its key) holds a call back. Not a failure: no attempt is used up, the next wait is no longer for
    /// it, and the history does not grow; the job itself says what it waits for.
    ///
    /// # Errors
    /// When the database does not answer; the lease then runs out by itself.
    pub async fn snooze(&self, lease: &Lease, until: Duration, why: &str) -> Result<Ack, Error> {
        let snoozed = job::snooze(self.pool(), lease, until, SPREAD, why).await?;
        Ok(if snoozed { Ack::Committed } else { Ack::Fenced })
    }
}
