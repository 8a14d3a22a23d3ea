//! How idle queues hear of new jobs: one LISTEN connection a process, one bell a queue.
//!
//! A lost notice costs a poll and nothing else, so a broken connection is made again at leisure.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    core::workflow::Queue,
    store::{Pool, wake::Listener},
};

/// The bells of a process's queues.
#[derive(Clone, Default)]
pub struct Wake {
    bells: Arc<[Notify; 3]>,
}

impl Wake {
    /// Listens until `stop` is cancelled.
    #[must_use]
    pub fn listen(pool: Pool, stop: CancellationToken) -> Self {
        let wake = Self::default();
        let ears = wake.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = ears.hear_for_ever(&pool) => {}
                () = stop.cancelled() => {}
            }
        });
        wake
    }

    /// The bell of a queue.
    #[must_use]
    pub fn bell(&self, queue: Queue) -> &Notify {
        match queue {
            Queue::Default => &self.bells[0],
            Queue::Llm => &self.bells[1],
            Queue::Github => &self.bells[2],
        }
    }

    /// Rings the bell of the queue of this name, or all of them.
    fn ring(&self, name: Option<&str>) {
        for queue in Queue::ALL {
            if name.is_none_or(|name| name == queue.word()) {
                self.bell(queue).notify_one();
            }
        }
    }

    async fn hear_for_ever(&self, pool: &Pool) {
        loop {
            if let Ok(mut listener) = Listener::open(pool).await {
                // What came while nobody listened was not heard.
                self.ring(None);
                while let Ok(notice) = listener.next().await {
                    self.ring(notice.as_deref());
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
