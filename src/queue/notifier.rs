//! Wakes the producer of a process, and keeps hints about its queues: where jobs may be due, and where several
//! products have jobs.
//!
//! It has one LISTEN connection. A lost notification costs a poll and nothing else, so a broken connection is
//! replaced without hurry.

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
    store::{Pool, notify::Listener},
};

/// Between two tries to listen.
const RECONNECT: Duration = Duration::from_secs(1);

/// Notifies the producer of a process of new jobs and free slots.
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    notify: Arc<Notify>,
    queues: Arc<[QueueHints; 3]>,
}

#[derive(Debug, Default)]
struct QueueHints {
    /// A job may be due.
    due: AtomicBool,
    /// The last claim filled all its slots.
    backlog: AtomicBool,
    /// Several products have jobs here.
    shared: AtomicBool,
}

impl Notifier {
    /// Listens for a worker that serves these queues, until `stop` is cancelled. At first a job may be due in
    /// every queue.
    #[must_use]
    pub fn listen(pool: Pool, served: Vec<Queue>, stop: CancellationToken) -> Self {
        let notifier = Self::default();
        notifier.notify_all();
        let listening = notifier.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = listening.run(&pool, &served) => {}
                () = stop.cancelled() => {}
            }
        });
        notifier
    }

    /// A job may be due in the queue of this name.
    pub fn notify(&self, name: &str) {
        let named = Queue::ALL.into_iter().filter(|queue| queue.as_str() == name);
        named.for_each(|queue| self.of(queue).due.store(true, Ordering::SeqCst));
        self.notify.notify_one();
    }

    /// A job may be due in any queue.
    pub fn notify_all(&self) {
        Queue::ALL.into_iter().for_each(|queue| self.of(queue).due.store(true, Ordering::SeqCst));
        self.notify.notify_one();
    }

    /// Several products have jobs in this queue, so that a worker must not keep a run to itself.
    #[must_use]
    pub fn is_shared(&self, queue: Queue) -> bool {
        self.of(queue).shared.load(Ordering::Relaxed)
    }

    /// Stores whether several products have jobs in a queue.
    pub fn set_shared(&self, queue: Queue, shared: bool) {
        self.of(queue).shared.store(shared, Ordering::Relaxed);
    }

    /// Resolves at the first notification or free slot after this call.
    pub fn notified(&self) -> OwnedNotified {
        Arc::clone(&self.notify).notified_owned()
    }

    pub(super) fn may_have_jobs(&self, queue: Queue) -> bool {
        self.of(queue).due.load(Ordering::SeqCst)
    }

    pub(super) fn has_backlog(&self, queue: Queue) -> bool {
        self.of(queue).backlog.load(Ordering::Relaxed)
    }

    /// Forgets the notifications of a queue, right before a claim: only later ones are about other jobs.
    pub(super) fn clear(&self, queue: Queue) {
        self.of(queue).due.store(false, Ordering::SeqCst);
    }

    /// Stores whether a claim left jobs behind; then more may be due.
    pub(super) fn set_backlog(&self, queue: Queue, backlog: bool) {
        self.of(queue).backlog.store(backlog, Ordering::Relaxed);
        if backlog {
            self.of(queue).due.store(true, Ordering::SeqCst);
        }
    }

    /// A slot is free.
    pub(super) fn slot_freed(&self) {
        self.notify.notify_one();
    }

    fn of(&self, queue: Queue) -> &QueueHints {
        match queue {
            Queue::Default => &self.queues[0],
            Queue::Llm => &self.queues[1],
            Queue::Github => &self.queues[2],
        }
    }

    async fn run(&self, pool: &Pool, served: &[Queue]) {
        loop {
            if let Ok(mut listener) = Listener::open(pool, served).await {
                // Notifications from before the connection were missed.
                self.notify_all();
                while let Ok(notification) = listener.next().await {
                    match notification {
                        Some(queue) => self.notify(&queue),
                        None => self.notify_all(),
                    }
                }
            }
            tokio::time::sleep(RECONNECT).await;
        }
    }
}
