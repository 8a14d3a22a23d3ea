//! The graphs that runs began with, by content hash.

use crate::store::{Pool, Result};

/// Remembers a graph; one that is known stays as it is.
///
/// # Errors
/// When the database does not answer.
pub async fn keep(pool: &Pool, hash: &str, name: &str, source: &str) -> Result<()> {
    sqlx::query!(
        "insert into workflow (hash, name, source) values ($1, $2, $3) on conflict (hash) do nothing",
        hash,
        name,
        source
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// The text of a graph.
///
/// # Errors
/// [`sqlx::Error::RowNotFound`] for a hash that was never kept.
pub async fn source(pool: &Pool, hash: &str) -> Result<String> {
    sqlx::query_scalar!("select source from workflow where hash = $1", hash).fetch_one(pool).await
}
