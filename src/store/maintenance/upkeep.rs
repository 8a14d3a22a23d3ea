//! The daily upkeep, done by whichever process is first: partitions for coming months, and retention.

use std::time::Duration;

use sqlx::PgExecutor;
use tokio_util::sync::CancellationToken;

use crate::store::{
    Connection, Pool, Result, partition,
    retention::{self, Swept},
};

/// How often a process checks whether the upkeep is due.
const CHECK_INTERVAL: Duration = Duration::from_secs(3600);
/// The upkeep's statements may take longer than others.
const STATEMENT_TIMEOUT: &str = "set statement_timeout = '15min'";
/// The advisory lock of the process that does the upkeep; any number that only we use.
const LOCK: i64 = 0x6173_706f_6461_7931;

/// Does the upkeep once a day among all processes, until `stop`.
pub async fn daily(pool: Pool, stop: CancellationToken) {
    loop {
        match run_if_due(&pool).await {
            Ok(None) => {}
            Ok(Some(swept)) => tracing::info!(swept = swept.len(), "the daily upkeep is done"),
            Err(error) => tracing::warn!(%error, "the daily upkeep failed and will be retried: {error}"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CHECK_INTERVAL) => {}
        }
    }
}

/// Does the upkeep if it was not done within the last day, or left months that were in use; `None` when it was, or when another process is doing it.
///
/// # Errors
/// When the database does not answer; the next process to check then does it.
pub async fn run_if_due(pool: &Pool) -> Result<Option<Vec<Swept>>> {
    if !is_due(pool).await? {
        return Ok(None);
    }
    let done = with_lock(pool, async |connection| {
        // Another process may have done it between the check and the lock.
        if !is_due(&mut *connection).await? {
            return Ok(None);
        }
        partition::prepare(pool).await?;
        let swept = retention::sweep(connection, false).await?;
        // Autovacuum does not analyze partitioned tables.
        sqlx::raw_sql("analyze run").execute(&mut *connection).await?;
        // What was in use is tried again at the next check, and not only tomorrow.
        let is_busy = swept.iter().any(|one| one.is_busy);
        sqlx::query!(
            "insert into upkeep (task, done_at)
             values ('daily', now() - case when $1 then interval '1 day' else interval '0' end)
             on conflict (task) do update set done_at = excluded.done_at",
            is_busy
        )
        .execute(&mut *connection)
        .await?;
        Ok(Some(swept))
    })
    .await?;
    Ok(done.flatten())
}

async fn is_due(executor: impl PgExecutor<'_>) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select not exists (select from upkeep where task = 'daily'
                              and done_at > now() - interval '1 day') as "due!""#
    )
    .fetch_one(executor)
    .await
}

/// Applies the retention rules now; `None` when another process is doing the upkeep. A dry run only reports.
///
/// # Errors
/// When the database does not answer; what was deleted stays deleted.
pub async fn sweep(pool: &Pool, is_dry: bool) -> Result<Option<Vec<Swept>>> {
    with_lock(pool, async |connection| retention::sweep(connection, is_dry).await).await
}

/// Works under the lock, on a connection of its own. It releases the lock itself, since a closed connection does so
/// only when the server notices, and closes the connection, since a caller that is cancelled releases nothing.
async fn with_lock<T>(
    pool: &Pool,
    work: impl AsyncFnOnce(&mut Connection) -> Result<T>,
) -> Result<Option<T>> {
    let mut connection = pool.acquire().await?;
    connection.close_on_drop();
    sqlx::raw_sql(STATEMENT_TIMEOUT).execute(&mut *connection).await?;
    let is_ours = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "ours!""#, LOCK)
        .fetch_one(&mut *connection)
        .await?;
    if !is_ours {
        return Ok(None);
    }
    let done = work(&mut connection).await;
    sqlx::query_scalar!("select pg_advisory_unlock($1)", LOCK).fetch_one(&mut *connection).await?;
    done.map(Some)
}
