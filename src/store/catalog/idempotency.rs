//! The responses to requests with an Idempotency-Key, valid for a day.

use serde_json::Value;

use crate::store::{Connection, Pool, Result};

/// A stored response.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredResponse {
    /// The digest of the request.
    pub request_digest: String,
    /// The status code.
    pub status: i16,
    /// The Location header.
    pub location: Option<String>,
    /// The body.
    pub response: Value,
}

/// The response to this key on this route within the last day.
///
/// # Errors
/// When the database does not answer.
pub async fn get(pool: &Pool, key: &str, route: &str) -> Result<Option<StoredResponse>> {
    sqlx::query_as!(
        StoredResponse,
        "select request_digest, status, location, response from idempotency
         where key = $1 and route = $2 and created_at > now() - interval '24 hours'",
        key,
        route
    )
    .fetch_optional(pool)
    .await
}

/// Stores a response in the transaction of the request; false when another request has used the key meanwhile.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(
    connection: &mut Connection,
    key: &str,
    route: &str,
    new: &StoredResponse,
) -> Result<bool> {
    let done = sqlx::query!(
        "insert into idempotency (key, route, request_digest, status, location, response)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (key, route) do update
         set request_digest = excluded.request_digest, status = excluded.status, location = excluded.location,
             response = excluded.response, created_at = now()
         where idempotency.created_at <= now() - interval '24 hours'",
        key,
        route,
        new.request_digest,
        new.status,
        new.location,
        new.response
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}
