//! The states of a job, computed from the columns of its row.
//!
//! A job is a request for attempts at one step of one run. Its row has no column for the state: a lease is a
//! token and an end, so a state changes when time passes, without a statement.

use chrono::{DateTime, Utc};

/// The columns of a job that decide its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    /// It has a lease token (`lease_token`).
    pub leased: bool,
    /// When it is due; while it has a lease token, the end of the lease.
    pub visible_at: DateTime<Utc>,
    /// Its run is paused.
    pub paused: bool,
    /// Workers lost in a row before the last attempt.
    pub lost: u32,
    /// No attempt has begun since a rate limit snoozed it (`delayed_tries = attempts`).
    pub snoozed: bool,
}

/// The state of a job. It has no final state: the row of a job that is done or cancelled is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Due, and free for the next claim of its queue, unless a limited key is full.
    ///
    /// Put here when a run enters a step, by a release at shutdown, by "run now", and by time. A claim takes it
    /// out.
    Available,
    /// Not due yet: an attempt failed and the next one backs off, or an older release could not read the run.
    ///
    /// Put here by the retry of a failed attempt and by `unclaim`. Time takes it out, or "run now".
    Scheduled,
    /// Not due yet: a rate limit that all workers share held a call back.
    ///
    /// Put here by a snooze, which uses up no attempt. Time takes it out, or "run now".
    RateLimited,
    /// A worker holds its lease and renews it.
    ///
    /// Put here by a claim, or by the worker that keeps the run for its next step. The end of the attempt takes
    /// it out. One whose run is paused stays here until then.
    Running,
    /// The lease ran out before the attempt ended: its worker was lost.
    ///
    /// Put here by time alone. There is no rescuer: the next claim takes it like an available one and records
    /// the attempt as lost.
    Expired,
    /// Due, and it lost at least two workers in a row, or one if it was released since: it may be what they
    /// crashed on.
    ///
    /// Put here by time, as [`JobState::Expired`]. A claim takes it out, but a worker does only one such job at a
    /// time. An attempt that ends by itself clears the suspicion.
    Suspect,
    /// Its run is paused. No claim takes it, even if it is due.
    ///
    /// Put here by a pause of a person, a budget or a breaker. A resume takes it out.
    Paused,
}

impl JobState {
    /// The state of a job with these columns, at `now` by the database's clock.
    #[must_use]
    pub fn of(job: &Columns, now: DateTime<Utc>) -> Self {
        let due = job.visible_at <= now;
        match (job.leased, due) {
            (true, false) => Self::Running,
            _ if job.paused => Self::Paused,
            (false, false) if job.snoozed => Self::RateLimited,
            (false, false) => Self::Scheduled,
            (_, true) if job.lost > 0 => Self::Suspect,
            (true, true) => Self::Expired,
            (false, true) => Self::Available,
        }
    }

    /// A claim may take it now.
    #[must_use]
    pub const fn is_claimable(self) -> bool {
        matches!(self, Self::Available | Self::Expired | Self::Suspect)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const FREE: Columns =
        Columns { leased: false, visible_at: DateTime::UNIX_EPOCH, paused: false, lost: 0, snoozed: false };

    #[track_caller]
    fn check(job: Columns, due: JobState, not_due: JobState) {
        let (now, second) = (job.visible_at, TimeDelta::seconds(1));
        assert_eq!(JobState::of(&job, now), due);
        assert_eq!(JobState::of(&job, now - second), not_due);
    }

    #[test]
    fn the_columns_decide_the_state() {
        use JobState::{Available, Expired, Paused, RateLimited, Running, Scheduled, Suspect};
        check(FREE, Available, Scheduled);
        check(Columns { snoozed: true, ..FREE }, Available, RateLimited);
        check(Columns { leased: true, ..FREE }, Expired, Running);
        check(Columns { leased: true, lost: 1, ..FREE }, Suspect, Running);
        check(Columns { lost: 1, ..FREE }, Suspect, Scheduled);
        check(Columns { paused: true, lost: 1, snoozed: true, ..FREE }, Paused, Paused);
        check(Columns { paused: true, leased: true, ..FREE }, Paused, Running);
    }
}
