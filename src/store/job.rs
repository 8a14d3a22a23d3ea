//! The job table: who does what next, and who holds it.
//!
//! A lease is a random token and an end. Nobody is asked whether a worker lives: a job whose
//! `visible_at` has passed is claimable by the same statement as a new one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Pool, Result};
use crate::core::{run::Action, workflow::Queue};

/// A worker's hold on a job for one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: i64,
    /// What proves the hold.
    pub token: Uuid,
    /// The run that asked.
    pub run: Uuid,
    /// The step to be done.
    pub step: String,
    /// The number of the job in its run.
    pub turn: u32,
    /// This attempt's number, from 1.
    pub attempt: u32,
    /// The most attempts.
    pub most: u32,
    /// How long a claim or a renewal holds.
    pub lasts: Duration,
}

impl Lease {
    /// All attempts were used up by workers that died in them.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.attempt > self.most
    }
}

/// How a job stands, for people who ask why a run does not move.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The queue it waits in.
    pub queue: String,
    /// When it may be claimed, or the end of its lease.
    pub visible_at: DateTime<Utc>,
    /// Attempts begun so far.
    pub attempts: i32,
    /// The most attempts.
    pub max_attempts: i32,
    /// A worker holds it.
    pub held: bool,
    /// The last attempt's error.
    pub last_error: Option<String>,
    /// The worker of the last attempt.
    pub worker: Option<String>,
    /// When the last attempt began.
    pub started_at: Option<DateTime<Utc>>,
}

/// Puts the job of an [`Action::Enqueue`] into its queue; other actions are not jobs and do nothing.
///
/// # Errors
/// A unique violation when the run has a job already.
pub async fn enqueue(
    connection: &mut Connection,
    run_id: Uuid,
    priority: i16,
    action: &Action,
) -> Result<()> {
    let Action::Enqueue { step, queue, turn, attempts } = action else { return Ok(()) };
    sqlx::query!(
        "insert into job (run_id, step, turn, queue, priority, max_attempts) values ($1, $2, $3, $4, $5, $6)",
        run_id,
        step,
        signed(*turn),
        queue.word(),
        priority,
        signed(*attempts)
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Claims at most `limit` due jobs of a queue for `lease`, each with a fresh token and one more attempt.
///
/// In the same statement earlier attempts that never ended are marked as lost, and news that came
/// before now are taken: the attempt reads the world afresh.
///
/// # Errors
/// When the database does not answer; nothing is claimed then.
pub async fn claim(
    pool: &Pool,
    queue: Queue,
    worker: &str,
    limit: i64,
    lease: Duration,
) -> Result<Vec<Lease>> {
    let claimed = sqlx::query_file_as!(
        Claimed,
        "src/store/sql/job_claim.sql",
        queue.word(),
        limit,
        lease.as_secs_f64(),
        worker
    )
    .fetch_all(pool)
    .await?;
    Ok(claimed.into_iter().map(|row| row.lease(lease)).collect())
}

/// Prolongs the leases that are still held and tells the tokens of those.
///
/// # Errors
/// When the database does not answer; every lease is then as it was.
pub async fn renew(pool: &Pool, jobs: &[i64], tokens: &[Uuid], lease: Duration) -> Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"update job set visible_at = now() + make_interval(secs => $3)
         from unnest($1::bigint[], $2::uuid[]) as held (id, token)
         where job.id = held.id and job.lease_token = held.token
         returning held.token as "token!""#,
        jobs,
        tokens,
        lease.as_secs_f64()
    )
    .fetch_all(pool)
    .await
}

/// Ends the job if the lease still holds it; false means that the caller is too late.
///
/// # Errors
/// When the database does not answer.
pub async fn finish(connection: &mut Connection, lease: &Lease) -> Result<bool> {
    let done = sqlx::query!("delete from job where id = $1 and lease_token = $2", lease.job, lease.token)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a failed job up until a random moment between `least` and `ceiling` from now, and tells when
/// that is; `None` means that the caller is too late.
///
/// # Errors
/// When the database does not answer.
pub async fn put_off(
    connection: &mut Connection,
    lease: &Lease,
    least: Duration,
    ceiling: Duration,
) -> Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "update job
         set lease_token = null,
             visible_at = clock_timestamp()
                        + make_interval(secs => $3 + random() * greatest($4::float8 - $3::float8, 0))
         where id = $1 and lease_token = $2
         returning visible_at",
        lease.job,
        lease.token,
        least.as_secs_f64(),
        ceiling.as_secs_f64()
    )
    .fetch_optional(connection)
    .await
}

/// Gives a job back at once because its worker shuts down; the attempt does not count against it.
///
/// # Errors
/// When the database does not answer; the lease then runs out by itself.
pub async fn give_back(pool: &Pool, lease: &Lease, queue: Queue) -> Result<bool> {
    let done = sqlx::query_file!("src/store/sql/job_give_back.sql", lease.job, lease.token, queue.word())
        .fetch_optional(pool)
        .await?;
    Ok(done.is_some())
}

/// How the job of a run stands.
///
/// # Errors
/// When the database does not answer.
pub async fn standing(pool: &Pool, run_id: Uuid) -> Result<Option<Standing>> {
    sqlx::query_as!(
        Standing,
        r#"select j.queue, j.visible_at, j.attempts, j.max_attempts,
                  j.lease_token is not null and j.visible_at > now() as "held!",
                  (select e.error from attempt e where e.run_id = j.run_id and e.turn = j.turn
                   and e.error is not null order by e.attempt desc limit 1) as last_error,
                  a.worker as "worker?", a.started_at as "started_at?"
           from job j
           left join attempt a on a.run_id = j.run_id and a.turn = j.turn and a.attempt = j.attempts
           where j.run_id = $1"#,
        run_id
    )
    .fetch_optional(pool)
    .await
}

struct Claimed {
    id: i64,
    lease_token: Uuid,
    run_id: Uuid,
    step: String,
    turn: i32,
    attempts: i32,
    max_attempts: i32,
}

impl Claimed {
    fn lease(self, lasts: Duration) -> Lease {
        Lease {
            job: self.id,
            token: self.lease_token,
            run: self.run_id,
            step: self.step,
            turn: unsigned(self.turn),
            attempt: unsigned(self.attempts),
            most: unsigned(self.max_attempts),
            lasts,
        }
    }
}

/// Counters are small; one that is not is shown as the largest there is.
pub(super) fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn unsigned(count: i32) -> u32 {
    u32::try_from(count).unwrap_or(0)
}
