//! LISTEN and NOTIFY: an idle worker learns of a new job at once. A lost notification only costs a poll.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::core::workflow::Queue;
use crate::store::{Connection, Pool, Result};

/// Notifies idle workers of `queue` that a job is available, once the transaction commits.
///
/// # Errors
/// When the database does not answer.
pub async fn job_available(connection: &mut Connection, queue: &str) -> Result<()> {
    sqlx::query!("select pg_notify('aspora_job', $1)", queue).execute(connection).await.map(|_| ())
}

/// A connection that listens for new jobs. Its application name shows which queues have a worker.
pub struct Listener {
    listener: PgListener,
    /// Holds this one connection: another pool would lend it out, and it would show a worker that is gone.
    _own: Pool,
}

impl Listener {
    /// Listens as a worker that serves these queues.
    ///
    /// # Errors
    /// When no connection can be made.
    pub async fn open(pool: &Pool, served: &[Queue]) -> Result<Self> {
        let queues: Vec<&str> = served.iter().map(|queue| queue.as_str()).collect();
        let options = (*pool.connect_options()).clone();
        let options = options.application_name(&format!("aspora worker {}", queues.join(",")));
        let own = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(5))
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&own).await?;
        listener.listen("aspora_job").await?;
        Ok(Self { listener, _own: own })
    }

    /// The queue of the next notification; `None` after a reconnect, when notifications may have been missed.
    ///
    /// # Errors
    /// When the connection cannot be made again.
    pub async fn next(&mut self) -> Result<Option<String>> {
        let notification = self.listener.try_recv().await?;
        Ok(notification.map(|notification| notification.payload().to_owned()))
    }
}
