//! The last word that an ended run owes the forge. A trigger makes the rows, when a run with a pull request ends.

use std::time::Duration;

use uuid::Uuid;

use crate::store::{Pool, Result};

/// A claimed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// The run that has ended.
    pub run_id: Uuid,
    /// How many attempts there were, this one included.
    pub attempts: i32,
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
         returning run_id, attempts"
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
