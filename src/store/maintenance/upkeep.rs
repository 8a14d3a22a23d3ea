//! What must be done once a day, by whichever process comes first: months ahead, and the end of what was
//! kept long enough.

use std::time::Duration;

use sqlx::PgExecutor;
use tokio_util::sync::CancellationToken;

use crate::store::{
    Connection, Pool, Result, partition,
    retention::{self, Swept},
};

/// How often a process looks whether a day has passed.
const LOOK: Duration = Duration::from_secs(3600);
/// How long one statement of the upkeep may take.
const PATIENCE: &str = "set statement_timeout = '15min'";
/// The advisory lock of whoever is at it; any number that only we use.
const LOCK: i64 = 0x6173_706f_6461_7931;

/// Does the upkeep once a day among all processes, until `stop`.
pub async fn daily(pool: Pool, stop: CancellationToken) {
    loop {
        match tend(&pool).await {
            Ok(None) => {}
            Ok(Some(swept)) => tracing::info!(swept = swept.len(), "the daily upkeep is done"),
            Err(error) => tracing::warn!(%error, "the daily upkeep failed and is tried again: {error}"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Does the upkeep if it was not done within the last day; `None` when it was or somebody is at it.
///
/// # Errors
/// When the database does not answer; it is then done by the next who looks.
pub async fn tend(pool: &Pool) -> Result<Option<Vec<Swept>>> {
    if !is_due(pool).await? {
        return Ok(None);
    }
    let done = alone(pool, async |connection| {
        // Somebody may have done it between the look and the lock.
        if !is_due(&mut *connection).await? {
            return Ok(None);
        }
        partition::prepare(pool).await?;
        let swept = retention::sweep(connection, false).await?;
        // Nobody else does that for a table that lies in parts.
        sqlx::raw_sql("analyze run").execute(&mut *connection).await?;
        sqlx::query!(
            "insert into upkeep (task) values ('daily') on conflict (task) do update set done_at = now()"
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

/// Sweeps what was kept long enough, now; `None` when somebody is at it. Dry: only tells what would go.
///
/// # Errors
/// When the database does not answer; what was swept stays swept.
pub async fn sweep(pool: &Pool, is_dry: bool) -> Result<Option<Vec<Swept>>> {
    alone(pool, async |connection| retention::sweep(connection, is_dry).await).await
}

/// On a connection of its own, which takes the lock with it however this ends.
async fn alone<T>(pool: &Pool, work: impl AsyncFnOnce(&mut Connection) -> Result<T>) -> Result<Option<T>> {
    let mut connection = pool.acquire().await?;
    connection.close_on_drop();
    sqlx::raw_sql(PATIENCE).execute(&mut *connection).await?;
    let is_ours = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "ours!""#, LOCK)
        .fetch_one(&mut *connection)
        .await?;
    if is_ours { work(&mut connection).await.map(Some) } else { Ok(None) }
}
