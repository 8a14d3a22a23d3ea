//! Renews the leases of a process, in one statement a beat.
//!
//! It is a task of its own with a connection of its own, so that neither a busy pool nor a slow
//! handler makes a lease run out. A lease that cannot be renewed cancels its handler.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::{
    self, Pool, PoolConn,
    job::{self, Lease},
};

/// Every lease that the process holds.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    held: Arc<Mutex<HashMap<(i64, Uuid), Entry>>>,
    lease: Duration,
}

#[derive(Debug)]
struct Entry {
    lost: CancellationToken,
    until: Instant,
}

/// One lease under renewal; dropping it ends that.
#[derive(Debug)]
pub(super) struct Guard {
    heartbeat: Heartbeat,
    key: (i64, Uuid),
    lost: CancellationToken,
}

impl Heartbeat {
    /// Beats three times a lease on `reserved`, a pool of one connection that nobody else uses,
    /// until `stop` is cancelled.
    #[must_use]
    pub fn start(reserved: Pool, lease: Duration, stop: CancellationToken) -> Self {
        let heartbeat = Self { held: Arc::default(), lease };
        let beating = heartbeat.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = beating.run(&reserved) => {}
                () = stop.cancelled() => {}
            }
        });
        heartbeat
    }

    /// Renews this lease, which was asked for at `asked`, until the guard is dropped.
    pub(super) fn register(&self, lease: &Lease, asked: Instant) -> Guard {
        let (key, lost) = ((lease.job, lease.token), CancellationToken::new());
        self.all().insert(key, Entry { lost: lost.clone(), until: asked + self.lease });
        Guard { heartbeat: self.clone(), key, lost }
    }

    async fn run(&self, reserved: &Pool) {
        let mut wire = Wire { reserved: reserved.clone(), conn: None, joining: None };
        let mut beats = tokio::time::interval(self.lease / 3);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            self.beat(&mut wire).await;
        }
    }

    async fn beat(&self, wire: &mut Wire) {
        let mut held: Vec<(i64, Uuid)> = self.all().keys().copied().collect();
        held.sort_unstable();
        let (jobs, tokens): (Vec<i64>, Vec<Uuid>) = held.into_iter().unzip();
        if jobs.is_empty() {
            return;
        }
        let asked = Instant::now();
        match wire.renew(&jobs, &tokens, self.lease).await {
            Ok(renewed) => {
                let mut all = self.all();
                for key in jobs.iter().copied().zip(tokens) {
                    let Some(beat) = all.get_mut(&key) else { continue };
                    if renewed.contains(&key.1) {
                        beat.until = asked + self.lease;
                    } else {
                        beat.lost.cancel();
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "could not renew {} leases: {error}", jobs.len()),
        }
        // What could not be renewed in time may be somebody else's by now.
        let now = Instant::now();
        self.all().values().filter(|beat| beat.until <= now).for_each(|beat| beat.lost.cancel());
    }

    fn all(&self) -> MutexGuard<'_, HashMap<(i64, Uuid), Entry>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The heartbeat's own connection. A server that has just come back may take longer to let somebody in than a
/// beat may last, so a beat that gives up leaves the next one its place in the lane.
struct Wire {
    reserved: Pool,
    conn: Option<PoolConn>,
    joining: Option<JoinHandle<store::Result<PoolConn>>>,
}

impl Wire {
    /// A database that hangs must not keep us from seeing that time is up: a try lasts a third of a lease.
    async fn renew(&mut self, jobs: &[i64], tokens: &[Uuid], lease: Duration) -> store::Result<Vec<Uuid>> {
        let patience = lease / 3;
        let renew = async |conn: &mut store::Connection| job::renew(conn, jobs, tokens, lease).await;
        if self.conn.is_some()
            && let Ok(renewed) = store::with_timeout(patience, &mut self.conn, renew).await
        {
            return Ok(renewed);
        }
        self.conn = None;
        let joined = tokio::time::timeout(patience, self.join()).await;
        self.conn = Some(joined.unwrap_or(Err(store::Error::PoolTimedOut))?);
        store::with_timeout(patience, &mut self.conn, renew).await
    }

    async fn join(&mut self) -> store::Result<PoolConn> {
        let reserved = self.reserved.clone();
        let joining =
            self.joining.get_or_insert_with(|| tokio::spawn(async move { reserved.acquire().await }));
        let joined = joining.await;
        self.joining = None;
        joined.unwrap_or(Err(store::Error::WorkerCrashed))
    }
}

impl Guard {
    /// Is cancelled once the lease is lost.
    pub(super) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.heartbeat.all().remove(&self.key);
    }
}
