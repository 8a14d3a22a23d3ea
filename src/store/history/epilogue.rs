//! The last word that an ended run owes the forge. A trigger makes the rows, when a run with a pull request ends.

use std::time::Duration;

use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// A claimed row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Owed {
    /// The run that has ended.
    pub run_id: Uuid,
    /// How many attempts there were, this one included.
    pub attempts: i32,
    /// For how long it has been owed, in seconds, by the database's clock.
    pub age_s: f64,
}

/// Claims the row that is due longest. It is due again after two minutes, unless it is done by then.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(pool: &Pool) -> Result<Option<Owed>> {
    sqlx::query_as!(
        Owed,
        "update epilogue set attempts = attempts + 1, due_at = now() + interval '2 minutes'
         where run_id = (select run_id from epilogue
                         where due_at <= now() and not exists (select from hold where scope = 'all')
                         order by due_at limit 1
                         for update skip locked)
         returning run_id, attempts, extract(epoch from now() - owed_at)::float8 as \"age_s!\""
    )
    .fetch_optional(pool)
    .await
}

/// Deletes the row, unless the run ended once more since it was claimed.
///
/// # Errors
/// When the database does not answer; it is then claimed again.
pub async fn done(pool: &Pool, owed: &Owed) -> Result<()> {
    sqlx::query!("delete from epilogue where run_id = $1 and attempts = $2", owed.run_id, owed.attempts)
        .execute(pool)
        .await
        .map(|_| ())
}

/// Records why an attempt failed, and when the next one is due.
///
/// # Errors
/// When the database does not answer; it is then claimed again.
pub async fn postpone(pool: &Pool, owed: &Owed, wait: Duration, error: &str) -> Result<()> {
    sqlx::query!(
        "update epilogue set due_at = now() + make_interval(secs => $3), error = $4
         where run_id = $1 and attempts = $2",
        owed.run_id,
        owed.attempts,
        wait.as_secs_f64(),
        error
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Gives a last word up: the row stays, with the reason, and is never due.
///
/// # Errors
/// When the database does not answer; it is then claimed again.
pub async fn give_up(pool: &Pool, owed: &Owed, error: &str) -> Result<()> {
    sqlx::query!(
        "update epilogue set due_at = 'infinity', error = $3 where run_id = $1 and attempts = $2",
        owed.run_id,
        owed.attempts,
        error
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// How many last words were given up.
///
/// # Errors
/// When the database does not answer.
pub async fn count_given_up(pool: &Pool) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from epilogue where due_at = 'infinity'"#)
        .fetch_one(pool)
        .await
}

/// Owes another look at a pull request to the run that worked on it last, if that has ended.
///
/// # Errors
/// When the database does not answer.
pub async fn look_again(connection: &mut Connection, repositories: &[String], pull: i64) -> Result<()> {
    sqlx::query!(
        "insert into epilogue (run_id)
         select id from (select id, status from run where repository = any($1) and pull = $2
                         order by created_at desc limit 1) as last
         where status = 'ended'
         on conflict (run_id) do update set due_at = now(), attempts = 0, error = null, owed_at = now()",
        repositories,
        pull
    )
    .execute(connection)
    .await
    .map(|_| ())
}
