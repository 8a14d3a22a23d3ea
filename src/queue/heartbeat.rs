//! Renews the leases of a process, all in one statement.
//!
//! It is a task of its own with a connection of its own, so that neither a busy pool nor a slow
//! handler lets a lease run out. A lease that cannot be renewed cancels its handler.

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

/// The leases of a process.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    entries: Arc<Mutex<HashMap<(i64, Uuid), Entry>>>,
    lease: Duration,
}

#[derive(Debug)]
struct Entry {
    lost: CancellationToken,
    until: Instant,
}

/// Keeps one lease renewed; dropping it ends that.
#[derive(Debug)]
pub(super) struct Guard {
    heartbeat: Heartbeat,
    key: (i64, Uuid),
    lost: CancellationToken,
}

impl Heartbeat {
    /// Renews every third of a lease over `reserved`, a pool of one connection for this alone, until `stop` is
    /// cancelled.
    #[must_use]
    pub fn start(reserved: Pool, lease: Duration, stop: CancellationToken) -> Self {
        let heartbeat = Self { entries: Arc::default(), lease };
        let running = heartbeat.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = running.run(&reserved) => {}
                () = stop.cancelled() => {}
            }
        });
        heartbeat
    }

    /// Renews this lease, which was requested at `requested`, until the guard is dropped.
    pub(super) fn register(&self, lease: &Lease, requested: Instant) -> Guard {
        let (key, lost) = ((lease.job, lease.token), CancellationToken::new());
        self.entries().insert(key, Entry { lost: lost.clone(), until: requested + self.lease });
        Guard { heartbeat: self.clone(), key, lost }
    }

    async fn run(&self, reserved: &Pool) {
        let mut connection = ReservedConnection { pool: reserved.clone(), conn: None, connecting: None };
        let mut interval = tokio::time::interval(self.lease / 3);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.renew(&mut connection).await;
        }
    }

    async fn renew(&self, connection: &mut ReservedConnection) {
        let mut keys: Vec<(i64, Uuid)> = self.entries().keys().copied().collect();
        keys.sort_unstable();
        let (jobs, tokens): (Vec<i64>, Vec<Uuid>) = keys.into_iter().unzip();
        if jobs.is_empty() {
            return;
        }
        let requested = Instant::now();
        match connection.renew(&jobs, &tokens, self.lease).await {
            Ok(renewed) => {
                let mut entries = self.entries();
                for key in jobs.iter().copied().zip(tokens) {
                    let Some(entry) = entries.get_mut(&key) else { continue };
                    if renewed.contains(&key.1) {
                        entry.until = requested + self.lease;
                    } else {
                        entry.lost.cancel();
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "could not renew {} leases: {error}", jobs.len()),
        }
        // A lease that could not be renewed in time may belong to another worker by now.
        let now = Instant::now();
        self.entries().values().filter(|entry| entry.until <= now).for_each(|entry| entry.lost.cancel());
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<(i64, Uuid), Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection of the heartbeat. A server that has just restarted may need longer to accept a connection than
/// one renewal may take, so the next renewal goes on waiting for the same attempt to connect.
struct ReservedConnection {
    pool: Pool,
    conn: Option<PoolConn>,
    connecting: Option<JoinHandle<store::Result<PoolConn>>>,
}

impl ReservedConnection {
    /// A hanging database must not hide that a lease has run out: a try takes at most a third of a lease.
    async fn renew(&mut self, jobs: &[i64], tokens: &[Uuid], lease: Duration) -> store::Result<Vec<Uuid>> {
        let timeout = lease / 3;
        let renew = async |conn: &mut store::Connection| job::renew(conn, jobs, tokens, lease).await;
        if self.conn.is_some()
            && let Ok(renewed) = store::with_timeout(timeout, &mut self.conn, renew).await
        {
            return Ok(renewed);
        }
        self.conn = None;
        let connected = tokio::time::timeout(timeout, self.connect()).await;
        self.conn = Some(connected.unwrap_or(Err(store::Error::PoolTimedOut))?);
        store::with_timeout(timeout, &mut self.conn, renew).await
    }

    async fn connect(&mut self) -> store::Result<PoolConn> {
        let pool = self.pool.clone();
        let connecting =
            self.connecting.get_or_insert_with(|| tokio::spawn(async move { pool.acquire().await }));
        let connected = connecting.await;
        self.connecting = None;
        connected.unwrap_or(Err(store::Error::WorkerCrashed))
    }
}

impl Guard {
    /// Cancelled once the lease is lost.
    pub(super) const fn lost(&self) -> &CancellationToken {
        &self.lost
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.heartbeat.entries().remove(&self.key);
    }
}
