//! Schedules and their ticks.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// The cron expression.
    pub cron: String,
    /// The product.
    pub product: String,
    /// The title of its requirements.
    pub title: String,
    /// The body of its requirements.
    pub body: String,
    /// 1 (first) to 5 (last).
    pub priority: i16,
    /// The next tick; `None` while it is paused.
    pub next_at: Option<DateTime<Utc>>,
    /// Who last set, paused or resumed it.
    pub updated_by: String,
    /// The reason they gave.
    pub reason: String,
    /// When that was.
    pub updated_at: DateTime<Utc>,
}

/// A tick and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// The time that the expression names.
    pub at: DateTime<Utc>,
    /// When it was fired.
    pub fired_at: DateTime<Utc>,
    /// How many earlier ticks were missed.
    pub missed: i32,
    /// The requirement that was submitted.
    pub requirement_id: Option<Uuid>,
    /// Its run.
    pub run_id: Option<Uuid>,
    /// Why nothing was submitted.
    pub error: Option<String>,
}

/// All schedules, sorted by name.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "select name, cron, product, title, body, priority, next_at, updated_by, reason, updated_at
         from schedule order by name"
    )
    .fetch_all(pool)
    .await
}

/// One schedule.
///
/// # Errors
/// When the database does not answer.
pub async fn get(pool: &Pool, name: &str) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        "select name, cron, product, title, body, priority, next_at, updated_by, reason, updated_at
         from schedule where name = $1",
        name
    )
    .fetch_optional(pool)
    .await
}

/// Reads a schedule and locks it until the transaction ends.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(connection: &mut Connection, name: &str) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        "select name, cron, product, title, body, priority, next_at, updated_by, reason, updated_at
         from schedule where name = $1 for update",
        name
    )
    .fetch_optional(connection)
    .await
}

/// Creates or updates a schedule; its ticks are kept.
///
/// # Errors
/// A foreign key violation when the product does not exist.
pub async fn put(connection: &mut Connection, row: &Row) -> Result<()> {
    sqlx::query!(
        "insert into schedule (name, cron, product, title, body, priority, next_at, updated_by, reason)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (name) do update
         set cron = excluded.cron, product = excluded.product, title = excluded.title, body = excluded.body,
             priority = excluded.priority, next_at = excluded.next_at, updated_by = excluded.updated_by,
             reason = excluded.reason, updated_at = now()",
        row.name,
        row.cron,
        row.product,
        row.title,
        row.body,
        row.priority,
        row.next_at,
        row.updated_by,
        row.reason
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Removes a schedule and its ticks; the requirements that they submitted stay. False when there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(executor: impl PgExecutor<'_>, name: &str) -> Result<bool> {
    let done = sqlx::query!("delete from schedule where name = $1", name).execute(executor).await?;
    Ok(done.rows_affected() == 1)
}

/// The last ticks of a schedule, newest first, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn ticks(pool: &Pool, name: &str, limit: i64) -> Result<Vec<Tick>> {
    sqlx::query_as!(
        Tick,
        "select at, fired_at, missed, requirement_id, run_id, error from tick
         where schedule = $1 order by at desc limit $2",
        name,
        limit
    )
    .fetch_all(pool)
    .await
}

/// Reads and locks a schedule that is due; skips those that another transaction has locked.
///
/// # Errors
/// When the database does not answer.
pub async fn take_due(connection: &mut Connection) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        "select name, cron, product, title, body, priority, next_at, updated_by, reason, updated_at
         from schedule where next_at <= now() order by next_at limit 1 for update skip locked"
    )
    .fetch_optional(connection)
    .await
}

/// Stores a tick.
///
/// # Errors
/// A unique violation when it was fired before.
pub async fn record(connection: &mut Connection, name: &str, tick: &Tick) -> Result<()> {
    sqlx::query!(
        "insert into tick (schedule, at, missed, requirement_id, run_id, error) values ($1, $2, $3, $4, $5, $6)",
        name,
        tick.at,
        tick.missed,
        tick.requirement_id,
        tick.run_id,
        tick.error
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Sets the next tick of a schedule.
///
/// # Errors
/// When the database does not answer.
pub async fn set_next(connection: &mut Connection, name: &str, next_at: Option<DateTime<Utc>>) -> Result<()> {
    sqlx::query!("update schedule set next_at = $2 where name = $1", name, next_at)
        .execute(connection)
        .await
        .map(|_| ())
}
