//! Jobs that used up their attempts, and what became of them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{
    Connection, Pool, Result,
    job::{Lease, signed},
};

/// A job that used up its attempts, while nobody has given its run another chance.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its number; later ones are higher.
    pub id: i64,
    /// The run.
    pub run_id: Uuid,
    /// The run's product.
    pub product: String,
    /// The step.
    pub step: String,
    /// The job's number in its run.
    pub turn: i32,
    /// The attempts that were made.
    pub attempts: i32,
    /// What went wrong last.
    pub error: String,
    /// When it died.
    pub died_at: DateTime<Utc>,
}

/// Which dead letters are meant; nothing said means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this product.
    pub product: Option<String>,
    /// Only this step.
    pub step: Option<String>,
    /// Only errors that hold this text, whatever its case.
    pub error_contains: Option<String>,
    /// Only what died before this moment.
    pub died_before: Option<DateTime<Utc>>,
}

/// A dead letter as somebody who wants to redrive it sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The run.
    pub run_id: Uuid,
    /// The step that died.
    pub step: String,
    /// Its run was given another chance.
    pub redriven: bool,
}

/// Remembers a job that used up its attempts.
///
/// # Errors
/// When the database does not answer.
pub async fn bury(connection: &mut Connection, lease: &Lease, attempts: u32, error: &str) -> Result<()> {
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

/// The dead letters that nobody has redriven, newest first, at most `limit`; `before` is the id that an
/// earlier page ended with.
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

/// Notes that a run was given another chance; its letters are settled.
///
/// # Errors
/// When the database does not answer.
pub async fn settle(connection: &mut Connection, run_id: Uuid, by: &str) -> Result<()> {
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
