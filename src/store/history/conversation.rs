//! Which runs owe their pull requests a look at the conversation. Triggers make the rows.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// A claimed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// The run.
    pub run_id: Uuid,
    /// The number of its last change when it was claimed.
    pub turn: i64,
    /// How often in a row it failed before.
    pub failures: i32,
}

/// Claims the row that is due longest, for two minutes.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(pool: &Pool) -> Result<Option<Owed>> {
    sqlx::query_as!(
        Owed,
        "update conversation set claimed_until = now() + interval '2 minutes'
         where run_id = (select run_id from conversation
                         where due_at <= now() and claimed_until <= now()
                               and not exists (select from hold where scope = 'all')
                         order by due_at limit 1
                         for update skip locked)
         returning run_id, turn, failures"
    )
    .fetch_optional(pool)
    .await
}

/// Ends a claim. The row is due again after `next`, never without one, or at once if the run changed since the claim.
///
/// # Errors
/// When the database does not answer; the claim then ends by itself.
pub async fn done(pool: &Pool, owed: &Owed, next: Option<Duration>) -> Result<()> {
    sqlx::query!(
        "update conversation
         set claimed_until = '-infinity', failures = 0, error = null,
             due_at = case when turn <> $2 then now()
                           else coalesce(now() + make_interval(secs => $3), 'infinity') end
         where run_id = $1",
        owed.run_id,
        owed.turn,
        next.map(|next| next.as_secs_f64())
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Ends a claim that failed; it is due again after `wait`.
///
/// # Errors
/// When the database does not answer; the claim then ends by itself.
pub async fn postpone(pool: &Pool, owed: &Owed, wait: Duration, error: &str) -> Result<()> {
    sqlx::query!(
        "update conversation
         set claimed_until = '-infinity', failures = failures + 1, error = $3,
             due_at = now() + make_interval(secs => $2)
         where run_id = $1",
        owed.run_id,
        wait.as_secs_f64(),
        error
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Up to when the comments of a run's pull request are read.
///
/// # Errors
/// When the database does not answer.
pub async fn read_to(pool: &Pool, run: Uuid) -> Result<Option<DateTime<Utc>>> {
    let read_to = sqlx::query_scalar!("select read_to from conversation where run_id = $1", run);
    read_to.fetch_optional(pool).await.map(Option::flatten)
}

/// When the pull request had last changed as all its comments were read, and the number of the row's last change; `None`
/// where it may have changed since.
///
/// # Errors
/// When the database does not answer.
pub async fn seen(pool: &Pool, run: Uuid) -> Result<(Option<DateTime<Utc>>, i64)> {
    let row = sqlx::query!("select seen, turn from conversation where run_id = $1", run);
    Ok(row.fetch_optional(pool).await?.map_or((None, 0), |row| (row.seen, row.turn)))
}

/// Records that all comments are read of a pull request that had last changed then, unless the row changed since.
///
/// # Errors
/// When the database does not answer; they are then read again.
pub async fn set_seen(pool: &Pool, run: Uuid, changed: DateTime<Utc>, turn: i64) -> Result<()> {
    sqlx::query!("update conversation set seen = $2 where run_id = $1 and turn = $3", run, changed, turn)
        .execute(pool)
        .await
        .map(|_| ())
}

/// Records up to when comments are read.
///
/// # Errors
/// When the database does not answer; they are then read again.
pub async fn set_read_to(pool: &Pool, run: Uuid, at: DateTime<Utc>) -> Result<()> {
    sqlx::query!("update conversation set read_to = greatest(read_to, $2) where run_id = $1", run, at)
        .execute(pool)
        .await
        .map(|_| ())
}

/// Makes the conversation of the last run on a pull request due, also if that has ended; how many there are.
///
/// # Errors
/// When the database does not answer.
pub async fn wake(connection: &mut Connection, repositories: &[String], pull: i64) -> Result<u64> {
    sqlx::query!(
        "insert into conversation (run_id)
         select id from run where repository = any($1) and pull = $2 order by created_at desc limit 1
         on conflict (run_id) do update
         set due_at = now(), turn = conversation.turn + 1, failures = 0, seen = null",
        repositories,
        pull
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected())
}

/// The last run on a pull request.
///
/// # Errors
/// When the database does not answer.
pub async fn last_run(pool: &Pool, repository: &str, pull: i64) -> Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "select id from run where repository = $1 and pull = $2 order by created_at desc limit 1",
        repository,
        pull
    )
    .fetch_optional(pool)
    .await
}
