//! What was answered to a caller's Idempotency-Key. Kept for a day.

use serde_json::Value;

use crate::store::{Connection, Pool, Result};

/// An answer that was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The digest of the request that got it.
    pub request_digest: String,
    /// The status code.
    pub status: i16,
    /// The Location header.
    pub location: Option<String>,
    /// The body.
    pub response: Value,
}

/// The answer that this key got on this route within the last day.
///
/// # Errors
/// When the database does not answer.
pub async fn get(pool: &Pool, key: &str, route: &str) -> Result<Option<Given>> {
    sqlx::query_as!(
        Given,
        "select request_digest, status, location, response from idempotency
         where key = $1 and route = $2 and created_at > now() - interval '24 hours'",
        key,
        route
    )
    .fetch_optional(pool)
    .await
}

/// Keeps an answer, in the transaction that makes it true; false if somebody else used the key meanwhile.
///
/// # Errors
/// When the database does not answer.
pub async fn keep(connection: &mut Connection, key: &str, route: &str, given: &Given) -> Result<bool> {
    let done = sqlx::query!(
        "insert into idempotency (key, route, request_digest, status, location, response)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (key, route) do update
         set request_digest = excluded.request_digest, status = excluded.status, location = excluded.location,
             response = excluded.response, created_at = now()
         where idempotency.created_at <= now() - interval '24 hours'",
        key,
        route,
        given.request_digest,
        given.status,
        given.location,
        given.response
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}
