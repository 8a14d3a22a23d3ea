//! The timers of waiting runs.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// Sets the timer of a run.
///
/// # Errors
/// A unique violation when the run has a timer.
pub async fn set(connection: &mut Connection, run_id: Uuid, due_at: DateTime<Utc>) -> Result<()> {
    sqlx::query!("insert into timer (run_id, due_at) values ($1, $2)", run_id, due_at)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Deletes the timer of a run.
///
/// # Errors
/// When the database does not answer.
pub async fn clear(connection: &mut Connection, run_id: Uuid) -> Result<()> {
    sqlx::query!("delete from timer where run_id = $1", run_id).execute(connection).await.map(|_| ())
}

/// Whether the timer of a run is due.
///
/// # Errors
/// When the database does not answer.
pub async fn is_due(connection: &mut Connection, run_id: Uuid) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from timer where run_id = $1 and due_at <= clock_timestamp()) as "due!""#,
        run_id
    )
    .fetch_one(connection)
    .await
}

/// The runs whose timer is due, the earliest first, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn due(pool: &Pool, limit: i64) -> Result<Vec<Uuid>> {
    sqlx::query_scalar!("select run_id from timer where due_at <= now() order by due_at limit $1", limit)
        .fetch_all(pool)
        .await
}
