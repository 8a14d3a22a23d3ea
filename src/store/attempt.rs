//! Every try of every job.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Connection, Pool, Result,
    job::{Lease, signed},
};

/// One try of a job.
#[derive(Debug, Clone)]
pub struct Row {
    /// The job's number in its run.
    pub turn: i32,
    /// The try's number, from 1.
    pub attempt: i32,
    /// The step.
    pub step: String,
    /// Who tried.
    pub worker: String,
    /// When.
    pub started_at: DateTime<Utc>,
    /// Until when.
    pub ended_at: Option<DateTime<Utc>>,
    /// `answered`, `parked`, `failed` or `lost`.
    pub ended_as: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// Records how an attempt ended; one that has ended stays as it is.
///
/// # Errors
/// When the database does not answer.
pub async fn end(
    connection: &mut Connection,
    lease: &Lease,
    ended_as: &str,
    error: Option<&str>,
) -> Result<()> {
    sqlx::query!(
        "update attempt set ended_at = clock_timestamp(), ended_as = $4, error = $5
         where run_id = $1 and turn = $2 and attempt = $3 and ended_at is null",
        lease.run,
        signed(lease.turn),
        signed(lease.attempt),
        ended_as,
        error
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// All attempts of a run, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run_id: Uuid) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "select turn, attempt, step, worker, started_at, ended_at, ended_as, error
         from attempt where run_id = $1 order by turn, attempt",
        run_id
    )
    .fetch_all(pool)
    .await
}
