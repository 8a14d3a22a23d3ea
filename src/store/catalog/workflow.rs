//! The workflows of runs, by content hash.

use crate::store::{Pool, Result};

/// Stores a workflow, unless its hash is stored already.
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

/// The source of a workflow.
///
/// # Errors
/// [`sqlx::Error::RowNotFound`] for an unknown hash.
pub async fn source(pool: &Pool, hash: &str) -> Result<String> {
    sqlx::query_scalar!("select source from workflow where hash = $1", hash).fetch_one(pool).await
}
