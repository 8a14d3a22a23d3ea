//! What a process knows of its queues: where jobs may be due, and where others wait.
//!
//! One LISTEN connection a process. A lost notice costs a poll and nothing else, so a broken connection is
//! made again at leisure.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, futures::OwnedNotified};
use tokio_util::sync::CancellationToken;

use crate::{
    core::workflow::Queue,
    store::{Pool, wake::Listener},
};

/// The bells of a process's queues, for the one who claims.
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    news: Arc<Notify>,
    queues: Arc<[QueueHints; 3]>,
}

#[derive(Debug, Default)]
struct QueueHints {
    /// A job may be due.
    due: AtomicBool,
    /// The last claim was filled to the brim.
    backlog: AtomicBool,
    /// Several products have jobs here.
    shared: AtomicBool,
}

impl Notifier {
    /// Listens for a worker that serves these queues, until `stop` is cancelled. All bells have rung to begin
    /// with.
    #[must_use]
    pub fn listen(pool: Pool, served: Vec<Queue>, stop: CancellationToken) -> Self {
        let wake = Self::default();
        wake.notify(None);
        let ears = wake.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = ears.listen_for_ever(&pool, &served) => {}
                () = stop.cancelled() => {}
            }
        });
        wake
    }

    /// Says that a job may be due in the queue of this name, or in any.
    pub fn notify(&self, name: Option<&str>) {
        for queue in Queue::ALL {
            if name.is_none_or(|name| name == queue.as_str()) {
                self.of(queue).due.store(true, Ordering::SeqCst);
            }
        }
        self.news.notify_one();
    }

    /// Several products have jobs in this queue: whoever finishes a step lets others have a turn.
    #[must_use]
    pub fn is_shared(&self, queue: Queue) -> bool {
        self.of(queue).shared.load(Ordering::Relaxed)
    }

    /// Learns whether several products have jobs in a queue.
    pub fn shared(&self, queue: Queue, shared: bool) {
        self.of(queue).shared.store(shared, Ordering::Relaxed);
    }

    /// Resolves at the next ring or free slot after this call.
    pub fn news(&self) -> OwnedNotified {
        Arc::clone(&self.news).notified_owned()
    }

    pub(super) fn may_have(&self, queue: Queue) -> bool {
        self.of(queue).due.load(Ordering::SeqCst)
    }

    pub(super) fn is_backlog(&self, queue: Queue) -> bool {
        self.of(queue).backlog.load(Ordering::Relaxed)
    }

    /// Somebody is about to look: only what rings from now on is news.
    pub(super) fn looked(&self, queue: Queue) {
        self.of(queue).due.store(false, Ordering::SeqCst);
    }

    /// Learns whether a look left jobs behind; then there is reason to look again.
    pub(super) fn backlog(&self, queue: Queue, more: bool) {
        self.of(queue).backlog.store(more, Ordering::Relaxed);
        if more {
            self.of(queue).due.store(true, Ordering::SeqCst);
        }
    }

    /// A slot has come free.
    pub(super) fn freed(&self) {
        self.news.notify_one();
    }

    fn of(&self, queue: Queue) -> &QueueHints {
        match queue {
            Queue::Default => &self.queues[0],
            Queue::Llm => &self.queues[1],
            Queue::Github => &self.queues[2],
        }
    }

    async fn listen_for_ever(&self, pool: &Pool, served: &[Queue]) {
        loop {
            if let Ok(mut listener) = Listener::open(pool, served).await {
                // What came while nobody listened was not heard.
                self.notify(None);
                while let Ok(notice) = listener.next().await {
                    self.notify(notice.as_deref());
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
