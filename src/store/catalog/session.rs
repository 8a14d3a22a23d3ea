//! The sessions of browsers. Of a session's token only its digest is stored.

use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// Begins a session of a key, which ends after `hours` however it is used. Sessions that ended are removed.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(connection: &mut Connection, digest: &[u8; 32], key: Uuid, hours: i32) -> Result<()> {
    sqlx::query!("delete from session where expires_at < now()").execute(&mut *connection).await?;
    sqlx::query!(
        "insert into session (digest, key_id, expires_at) values ($1, $2, now() + make_interval(hours => $3))",
        digest,
        key,
        hours
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The key of a session that has not ended, and was used within the last `idle_minutes`. Its use is recorded, at most
/// once a minute.
///
/// # Errors
/// When the database does not answer.
pub async fn key_of(pool: &Pool, digest: &[u8; 32], idle_minutes: i32) -> Result<Option<Uuid>> {
    let found = sqlx::query!(
        r#"select key_id, seen_at < now() - interval '1 minute' as "is_unmarked!" from session
           where digest = $1 and expires_at > now() and seen_at > now() - make_interval(mins => $2)"#,
        digest,
        idle_minutes
    )
    .fetch_optional(pool)
    .await?;
    let Some(found) = found else { return Ok(None) };
    if found.is_unmarked {
        sqlx::query!("update session set seen_at = now() where digest = $1", digest).execute(pool).await?;
    }
    Ok(Some(found.key_id))
}

/// Ends a session.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(connection: &mut Connection, digest: &[u8; 32]) -> Result<()> {
    sqlx::query!("delete from session where digest = $1", digest).execute(connection).await.map(|_| ())
}
