//! Sign-ins at the identity provider that are under way. Of state and cookie only digests are stored.

use crate::store::{Connection, Result};

/// A sign-in that its browser has come back from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What the ID token must repeat.
    pub nonce: String,
    /// The verifier of PKCE.
    pub verifier: String,
    /// Where to lead on to, a path.
    pub next: String,
}

/// Begins a sign-in that has to be back within `minutes`; false, and nothing is stored, while `most` are under way. Those
/// that are over are deleted.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(
    connection: &mut Connection,
    state: &[u8; 32],
    browser: &[u8; 32],
    row: &Row,
    (minutes, most): (i32, i64),
) -> Result<bool> {
    sqlx::query!("delete from sign_in where expires_at < now()").execute(&mut *connection).await?;
    let done = sqlx::query!(
        "insert into sign_in (digest, browser, nonce, verifier, next, expires_at)
         select $1, $2, $3, $4, $5, now() + make_interval(mins => $6)
         where (select count(*) from sign_in) < $7",
        state,
        browser,
        row.nonce,
        row.verifier,
        row.next,
        minutes,
        most
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends a sign-in, and returns it; `None` if none is under way with this state in this browser.
///
/// # Errors
/// When the database does not answer.
pub async fn take(
    executor: impl sqlx::PgExecutor<'_>,
    state: &[u8; 32],
    browser: &[u8; 32],
) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        "delete from sign_in where digest = $1 and browser = $2 and expires_at > now()
         returning nonce, verifier, next",
        state,
        browser
    )
    .fetch_optional(executor)
    .await
}
