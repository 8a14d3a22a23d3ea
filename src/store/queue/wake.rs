//! LISTEN and NOTIFY: how an idle worker hears of a job at once. Losing a notice only costs a poll.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::core::workflow::Queue;
use crate::store::{Connection, Pool, Result};

/// Tells idle workers of `queue` that there is work, once the transaction commits.
///
/// # Errors
/// When the database does not answer.
pub async fn notify(connection: &mut Connection, queue: Queue) -> Result<()> {
    sqlx::query!("select pg_notify('aspora_job', $1)", queue.as_str()).execute(connection).await.map(|_| ())
}

/// As [`notify`], for a queue by its name.
///
/// # Errors
/// When the database does not answer.
pub async fn ring(connection: &mut Connection, queue: &str) -> Result<()> {
    sqlx::query!("select pg_notify('aspora_job', $1)", queue).execute(connection).await.map(|_| ())
}

/// A connection that hears of new jobs, and by its name shows that somebody serves their queues.
pub struct Listener {
    ear: PgListener,
    /// The ear alone: a connection that the pool lends to others would show a worker that is gone.
    _own: Pool,
}

impl Listener {
    /// Begins to listen, as a worker that serves these queues.
    ///
    /// # Errors
    /// When no connection can be had.
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
        let mut ear = PgListener::connect_with(&own).await?;
        ear.listen("aspora_job").await?;
        Ok(Self { ear, _own: own })
    }

    /// The queue of the next notice; `None` after the connection was lost and made again, so that
    /// notices may have been missed.
    ///
    /// # Errors
    /// When the connection cannot be made again.
    pub async fn next(&mut self) -> Result<Option<String>> {
        Ok(self.ear.try_recv().await?.map(|notice| notice.payload().to_owned()))
    }
}
