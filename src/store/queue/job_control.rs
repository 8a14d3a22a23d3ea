//! What controls do to the job of a run: pause it, resume it, make it due, cancel it.
//!
//! A transaction that locks both a run and its job locks the job first, as every answer does.

use uuid::Uuid;

use crate::{
    core::job::{Columns, JobState},
    store::{
        Connection, Pool, Result,
        job::{Lease, unsigned},
    },
};

/// Locks the job of a run, if it has one, and returns its state.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(connection: &mut Connection, run_id: Uuid) -> Result<Option<JobState>> {
    let row = sqlx::query!(
        r#"select lease_token is not null as "leased!", visible_at, paused, lost,
                  coalesce(delayed_tries = attempts, false) as "snoozed!", clock_timestamp() as "now!"
           from job where run_id = $1 for update"#,
        run_id
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        let (leased, visible_at, paused, snoozed) = (row.leased, row.visible_at, row.paused, row.snoozed);
        JobState::of(&Columns { leased, visible_at, paused, lost: unsigned(row.lost), snoozed }, row.now)
    }))
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

/// Records that an event was appended to the run of this job: the answer of an attempt that is under way is not
/// recorded together with others, since its version of the run is out of date.
///
/// # Errors
/// When the database does not answer.
pub async fn note(connection: &mut Connection, run_id: Uuid) -> Result<()> {
    sqlx::query!("update job set noted = true where run_id = $1 and lease_token is not null", run_id)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Pauses the job of a run: no claim takes it.
///
/// # Errors
/// When the database does not answer.
pub async fn pause(connection: &mut Connection, run_id: Uuid) -> Result<()> {
    sqlx::query!("update job set paused = true where run_id = $1", run_id)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Puts a merge under the key of the branch that it merges into now; whether it was under another one, as a job is
/// that was enqueued while its repository was being renamed.
///
/// # Errors
/// When the database does not answer.
pub async fn rekey_merge(pool: &Pool, lease: &Lease) -> Result<bool> {
    let done = sqlx::query!(
        "update job set keys[1] = 'merge:' || run.repository || ':' || run.base_branch
         from run
         where job.id = $1 and job.lease_token = $2 and run.id = job.run_id and starts_with(job.keys[1], 'merge:')
           and job.keys[1] <> 'merge:' || run.repository || ':' || run.base_branch",
        lease.job,
        lease.token
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Resumes the job of a run: claims take it again. Returns its queue.
///
/// # Errors
/// When the database does not answer.
pub async fn resume(connection: &mut Connection, run_id: Uuid) -> Result<Option<String>> {
    sqlx::query_scalar!("update job set paused = false where run_id = $1 returning queue", run_id)
        .fetch_optional(connection)
        .await
}

/// Makes the job of a run due now, before jobs that have not waited longer, and returns its queue. Does nothing
/// to a running one.
///
/// # Errors
/// When the database does not answer.
pub async fn make_due(connection: &mut Connection, run_id: Uuid) -> Result<Option<String>> {
    sqlx::query_scalar!(
        "update job set visible_at = clock_timestamp(), rank = least(rank, clock_timestamp())
         where run_id = $1 and (lease_token is null or visible_at <= clock_timestamp())
         returning queue",
        run_id
    )
    .fetch_optional(connection)
    .await
}

/// Deletes the job of a run and records an attempt under way as lost; the next renewal then stops its worker.
///
/// # Errors
/// When the database does not answer.
pub async fn cancel(connection: &mut Connection, run_id: Uuid) -> Result<()> {
    sqlx::query!(
        "with gone as (delete from job where run_id = $1 returning *)
         insert into attempt (run_id, turn, attempt, step, worker, started_at, ended_at, ended_as, error)
         select run_id, turn, attempts, step, coalesce(worker, 'unknown'), coalesce(began_at, now()),
                clock_timestamp(), 'lost', 'its job was cancelled'
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

/// Pauses a job from inside of its own attempt, which ends here and does not count. False means that the caller
/// has lost the lease.
///
/// # Errors
/// When the database does not answer.
pub async fn halt(connection: &mut Connection, lease: &Lease, why: &str) -> Result<bool> {
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
