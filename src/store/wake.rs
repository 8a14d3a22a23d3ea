//! LISTEN and NOTIFY: how an idle worker hears of a job at once. Losing a notice only costs a poll.

use sqlx::postgres::PgListener;

use super::{Connection, Pool, Result};
use crate::core::workflow::Queue;

/// Tells idle workers of `queue` that there is work, once the transaction commits.
///
/// # Errors
/// When the database does not answer.
pub async fn notify(connection: &mut Connection, queue: Queue) -> Result<()> {
    sqlx::query!("select pg_notify('aspora_job', $1)", queue.word()).execute(connection).await.map(|_| ())
}

/// As [`notify`], for a queue by its name.
///
/// # Errors
/// When the database does not answer.
pub async fn ring(connection: &mut Connection, queue: &str) -> Result<()> {
    sqlx::query!("select pg_notify('aspora_job', $1)", queue).execute(connection).await.map(|_| ())
}

/// A connection that hears of new jobs.
pub struct Listener(PgListener);

impl Listener {
    /// Begins to listen.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn open(pool: &Pool) -> Result<Self> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen("aspora_job").await?;
        Ok(Self(listener))
    }

    /// The queue of the next notice; `None` after the connection was lost and made again, so that
    /// notices may have been missed.
    ///
    /// # Errors
    /// When the connection cannot be made again.
    pub async fn next(&mut self) -> Result<Option<String>> {
        Ok(self.0.try_recv().await?.map(|notice| notice.payload().to_owned()))
    }
}
