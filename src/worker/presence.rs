//! The row by which lists know a worker process, and by which a person drains it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinHandle;
use uuid::Uuid;

use super::with_timeout;
use crate::{
    core::workflow::Queue,
    queue::Shared,
    store::{self, worker},
};

/// How often a process is seen, and how long a drain takes to arrive at most.
const INTERVAL: Duration = Duration::from_secs(3);

/// The row of this process, as long as it works.
pub(super) struct Presence {
    id: Uuid,
    shared: Shared,
    drained: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Presence {
    /// Makes the row, and keeps it until the worker stops. A database that does not answer is only logged: nothing but
    /// lists and drains depends on the row.
    pub(super) async fn begin(shared: &Shared, slots: &[(Queue, usize)]) -> Self {
        let (id, drained) = (Uuid::new_v4(), Arc::new(AtomicBool::new(false)));
        let slots: Vec<_> = slots.iter().copied().filter(|(_, many)| *many > 0).collect();
        register(shared, id, &slots).await;
        let task = tokio::spawn(keep(shared.clone(), id, slots, Arc::clone(&drained)));
        Self { id, shared: shared.clone(), drained, task }
    }

    /// Deletes the row; whether the worker was drained.
    pub(super) async fn end(self) -> bool {
        self.task.abort();
        let removed = async { Ok(worker::remove(&self.shared.pool, self.id).await?) };
        if let Err(error) = with_timeout(&self.shared, removed).await {
            tracing::debug!(%error, "the row of this worker stays for a day: {error}");
        }
        self.drained.load(Ordering::SeqCst)
    }
}

async fn register(shared: &Shared, id: Uuid, slots: &[(Queue, usize)]) {
    let version = env!("CARGO_PKG_VERSION");
    let made = async { Ok(worker::register(&shared.pool, id, &shared.worker, version, slots).await?) };
    if let Err(error) = with_timeout(shared, made).await {
        tracing::debug!(%error, "this worker is in no list yet: {error}");
    }
}

async fn keep(shared: Shared, id: Uuid, slots: Vec<(Queue, usize)>, drained: Arc<AtomicBool>) {
    while shared.stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
        let seen: Result<_, store::Error> = worker::seen(&shared.pool, id).await;
        match seen {
            Ok(Some(false)) => {}
            Ok(Some(true)) => {
                tracing::info!("this worker was drained: it ends its jobs and stops");
                drained.store(true, Ordering::SeqCst);
                shared.stop.cancel();
            }
            Ok(None) => register(&shared, id, &slots).await,
            Err(error) => tracing::debug!(%error, "this worker could not say that it works: {error}"),
        }
    }
}
