//! Dead letters: jobs that used up their attempts.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{
    Connection, Pool, Result,
    job::{Lease, signed},
};

/// A dead letter that was not redriven.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its number, in ascending order.
    pub id: i64,
    /// The run.
    pub run_id: Uuid,
    /// The run's product.
    pub product: String,
    /// The step.
    pub step: String,
    /// The job's number in its run.
    pub turn: i32,
    /// How many attempts were made.
    pub attempts: i32,
    /// The last error.
    pub error: String,
    /// When the last attempt failed.
    pub died_at: DateTime<Utc>,
}

/// Selects dead letters; an empty filter selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this product.
    pub product: Option<String>,
    /// Only this step.
    pub step: Option<String>,
    /// Only errors that contain this text, ignoring case.
    pub error_contains: Option<String>,
    /// Only those from before this moment.
    pub died_before: Option<DateTime<Utc>>,
}

/// What a redrive needs of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The run.
    pub run_id: Uuid,
    /// The step.
    pub step: String,
    /// Whether it was redriven.
    pub redriven: bool,
}

/// Stores a job that used up its attempts.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(connection: &mut Connection, lease: &Lease, attempts: u32, error: &str) -> Result<()> {
    sqlx::query!(
        "insert into dead_letter (run_id, step, turn, attempts, error) values ($1, $2, $3, $4, $5)",
        lease.run,
        lease.step,
        signed(lease.turn),
        signed(attempts),
        error
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The dead letters that were not redriven, newest first, at most `limit`; `before` is the last id of the previous
/// page.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool, filter: &Filter, before: Option<i64>, limit: i64) -> Result<Vec<Row>> {
    sqlx::query_file_as!(
        Row,
        "src/store/queue/dead_letter_list.sql",
        filter.product,
        filter.step,
        filter.error_contains,
        filter.died_before,
        before,
        limit
    )
    .fetch_all(pool)
    .await
}

/// One dead letter.
///
/// # Errors
/// When the database does not answer.
pub async fn get(connection: &mut Connection, id: i64) -> Result<Option<Letter>> {
    sqlx::query_as!(
        Letter,
        r#"select run_id, step, redriven_at is not null as "redriven!" from dead_letter where id = $1"#,
        id
    )
    .fetch_optional(connection)
    .await
}

/// Marks the dead letters of a run as redriven.
///
/// # Errors
/// When the database does not answer.
pub async fn mark_redriven(connection: &mut Connection, run_id: Uuid, by: &str) -> Result<()> {
    sqlx::query!(
        "update dead_letter set redriven_at = clock_timestamp(), redriven_by = $2
         where run_id = $1 and redriven_at is null",
        run_id,
        by
    )
    .execute(connection)
    .await
    .map(|_| ())
}
