//! Our apalis backend over the job table: claims jobs, renews their leases, listens for new ones, releases them.
//!
//! A [`Source`] passes the jobs of one queue to an apalis worker, at most as many as it has free slots; one
//! producer claims for all queues. Answers do not come back this way: the engine records them in the transaction
//! that moves the run.

mod heartbeat;
mod notifier;
mod producer;
mod source;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tokio_util::sync::CancellationToken;

use self::heartbeat::Guard;
pub use self::{heartbeat::Heartbeat, notifier::Notifier, source::Source};
use crate::store::{
    Clock, Pool,
    job::{self, Lease},
    run::StoredRun,
};

/// The intervals of a worker.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long a lease lasts without a renewal. It is renewed three times in that time.
    pub lease: Duration,
    /// How long an idle worker waits before it polls again without a notification, on average.
    pub poll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { lease: Duration::from_secs(30), poll: Duration::from_secs(1) }
    }
}

/// A job that this worker has claimed. Dropping it ends the renewals and frees the slot.
#[derive(Debug)]
pub struct ClaimedJob {
    /// The lease.
    pub lease: Lease,
    /// The run at the time of the claim; it does not move while the lease lasts.
    pub stored: StoredRun,
    /// The database's clock.
    pub clock: Clock,
    guard: Guard,
    _suspect: Option<SuspectGuard>,
    _slot: Slot,
}

impl ClaimedJob {
    /// Cancelled once the lease is lost: the attempt must stop.
    #[must_use]
    pub const fn lost(&self) -> &CancellationToken {
        self.guard.lost()
    }

    /// The next step of the run in the same slot, under a lease that was requested at `requested`.
    #[must_use]
    pub fn continued(
        self,
        shared: &Shared,
        lease: Lease,
        stored: StoredRun,
        clock: Clock,
        requested: Instant,
    ) -> Self {
        let guard = shared.heartbeat.register(&lease, requested);
        Self { lease, stored, clock, guard, _suspect: None, _slot: self._slot }
    }
}

/// A slot in use; dropping it frees it and wakes the producer.
#[derive(Debug)]
struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    notifier: Notifier,
}

impl Slot {
    const fn new(permit: OwnedSemaphorePermit, notifier: Notifier) -> Self {
        Self { permit: Some(permit), notifier }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.notifier.slot_freed();
    }
}

/// Held while a suspect job runs; the process claims the next one after it was dropped.
#[derive(Debug)]
struct SuspectGuard(Notifier, Arc<AtomicBool>);

impl Drop for SuspectGuard {
    fn drop(&mut self) {
        self.1.store(false, Ordering::SeqCst);
        self.0.notify_all();
    }
}

/// What the queues of a process share.
#[derive(Clone)]
pub struct Shared {
    /// The database.
    pub pool: Pool,
    /// Renews every lease of the process.
    pub heartbeat: Heartbeat,
    /// Wakes the producer when a job may be due.
    pub notifier: Notifier,
    /// The intervals.
    pub timing: Timing,
    /// The name of this worker in attempts and events.
    pub worker: Arc<str>,
    /// Cancelled to stop claiming.
    pub stop: CancellationToken,
    /// A suspect job is running.
    pub suspect: Arc<AtomicBool>,
}

impl Shared {
    fn runs_suspect(&self) -> bool {
        self.suspect.load(Ordering::SeqCst)
    }

    fn guard_suspect(&self, lease: &Lease) -> Option<SuspectGuard> {
        lease.is_suspect().then(|| {
            self.suspect.store(true, Ordering::SeqCst);
            SuspectGuard(self.notifier.clone(), Arc::clone(&self.suspect))
        })
    }
}

/// Releases a job. A failure is only logged: the lease then runs out by itself.
pub async fn release(pool: &Pool, lease: &Lease) {
    if let Err(error) = job::release(pool, lease).await {
        tracing::warn!(job = lease.job, run.id = %lease.run, %error, "could not release job {}", lease.job);
    }
}
