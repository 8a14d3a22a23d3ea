//! What people do to a run's job: hold it, let it go, make it due, take it away.
//!
//! Whoever locks both a run and its job locks the job first, as every answer does.

use uuid::Uuid;

use crate::store::{Connection, Result, job::Lease};

/// A job as it stands while it is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLock {
    /// A worker holds it.
    pub held: bool,
    /// It could be claimed now if nobody held it back.
    pub due: bool,
}

/// Locks the job of a run, if it has one.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(connection: &mut Connection, run_id: Uuid) -> Result<Option<JobLock>> {
    sqlx::query_as!(
        JobLock,
        r#"select lease_token is not null and visible_at > clock_timestamp() as "held!",
                  visible_at <= clock_timestamp() as "due!"
           from job where run_id = $1 for update"#,
        run_id
    )
    .fetch_optional(connection)
    .await
}

/// Whether a run has a job.
///
/// # Errors
/// When the database does not answer.
pub async fn exists(connection: &mut Connection, run_id: Uuid) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select 1 from job where run_id = $1) as "exists!""#, run_id)
        .fetch_one(connection)
        .await
}

/// Lets nobody claim the job of a run.
///
/// # Errors
/// When the database does not answer.
pub async fn hold(connection: &mut Connection, run_id: Uuid) -> Result<()> {
    sqlx::query!("update job set paused = true where run_id = $1", run_id)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Lets the job of a run be claimed again; tells its queue.
///
/// # Errors
/// When the database does not answer.
pub async fn release(connection: &mut Connection, run_id: Uuid) -> Result<Option<String>> {
    sqlx::query_scalar!("update job set paused = false where run_id = $1 returning queue", run_id)
        .fetch_optional(connection)
        .await
}

/// Makes the job of a run due now, before those that have not waited longer; tells its queue. One that a
/// worker holds stays as it is.
///
/// # Errors
/// When the database does not answer.
pub async fn hurry(connection: &mut Connection, run_id: Uuid) -> Result<Option<String>> {
    sqlx::query_scalar!(
        "update job set visible_at = clock_timestamp(), rank = least(rank, clock_timestamp())
         where run_id = $1 and (lease_token is null or visible_at <= clock_timestamp())
         returning queue",
        run_id
    )
    .fetch_optional(connection)
    .await
}

/// Takes the job of a run away; the renewal of a worker that holds it then finds nothing and stops it.
///
/// # Errors
/// When the database does not answer.
pub async fn take_away(connection: &mut Connection, run_id: Uuid) -> Result<()> {
    sqlx::query!(
        "with gone as (delete from job where run_id = $1 returning *)
         insert into attempt (run_id, turn, attempt, step, worker, started_at, ended_at, ended_as, error)
         select run_id, turn, attempts, step, coalesce(worker, 'unknown'), coalesce(began_at, now()),
                clock_timestamp(), 'lost', 'its job was taken away'
         from gone where lease_token is not null and attempts <= max_attempts
         on conflict (run_id, turn, attempt) do update
         set ended_at = excluded.ended_at, ended_as = excluded.ended_as, error = excluded.error
         where attempt.ended_at is null",
        run_id
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Gives a job up that its own attempt found must not go on now: nobody holds it, nobody may claim it,
/// and the attempt does not count against it. False means that the caller is too late.
///
/// # Errors
/// When the database does not answer.
pub async fn put_down(connection: &mut Connection, lease: &Lease, why: &str) -> Result<bool> {
    let row = sqlx::query_scalar!(
        r#"with down as (
             update job
             set lease_token = null, visible_at = clock_timestamp(), paused = true,
                 max_attempts = max_attempts + 1
             where id = $1 and lease_token = $2
             returning run_id, turn, attempts, step, worker, began_at
         ),
         ended as (
             insert into attempt (run_id, turn, attempt, step, worker, started_at, ended_at, ended_as, error)
             select run_id, turn, attempts, step, coalesce(worker, 'unknown'), coalesce(began_at, now()),
                    clock_timestamp(), 'lost', $3
             from down
             on conflict (run_id, turn, attempt) do update
             set ended_at = excluded.ended_at, ended_as = excluded.ended_as, error = excluded.error
             where attempt.ended_at is null
         )
         select count(*) as "count!" from down"#,
        lease.job,
        lease.token,
        why
    )
    .fetch_one(connection)
    .await?;
    Ok(row == 1)
}
