//! Attempts at jobs. One that answered or failed is in the history, one that was lost with its worker is in a table of
//! its own, and one that runs is in its job.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{
    Connection, Pool, Result,
    job::{Lease, signed},
};

/// An attempt at a job.
#[derive(Debug, Clone)]
pub struct Row {
    /// The job's number in its run.
    pub turn: i32,
    /// The number of the attempt, from 1.
    pub attempt: i32,
    /// The step.
    pub step: String,
    /// The worker.
    pub worker: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// `answered`, `parked`, `failed` or `lost`.
    pub ended_as: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// Stores an attempt that ended without an answer or a failure of its own.
///
/// # Errors
/// When the database does not answer.
pub async fn end(
    connection: &mut Connection,
    lease: &Lease,
    worker: &str,
    ended_as: &str,
    error: &str,
) -> Result<()> {
    sqlx::query!(
        "insert into attempt (run_id, turn, attempt, step, worker, started_at, ended_at, ended_as, error)
         values ($1, $2, $3, $4, $5, $6, clock_timestamp(), $7, $8)
         on conflict (run_id, turn, attempt) do nothing",
        lease.run,
        signed(lease.turn),
        signed(lease.attempt),
        lease.step,
        worker,
        lease.began_at,
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
    after(pool, run_id, (0, 0), i64::MAX).await
}

/// The attempts of a run after this one, given as its job's number and its own, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn after(pool: &Pool, run_id: Uuid, (turn, attempt): (i32, i32), limit: i64) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select turn as "turn!", attempt as "attempt!", coalesce(step, '') as "step!", worker as "worker!",
                  started_at as "started_at!", ended_at, ended_as, error
           from attempt_log where run_id = $1 and (turn, attempt) > ($2, $3) order by turn, attempt limit $4"#,
        run_id,
        turn,
        attempt,
        limit
    )
    .fetch_all(pool)
    .await
}

/// The attempts of a run that ended after the event `seq`, oldest first; with them, of the jobs from `turn` on, those
/// that were lost or still run.
///
/// # Errors
/// When the database does not answer.
pub async fn recent(pool: &Pool, run_id: Uuid, seq: i32, turn: i32) -> Result<Vec<Row>> {
    sqlx::query_file_as!(Row, "src/store/queue/attempt_recent.sql", run_id, seq, turn).fetch_all(pool).await
}
