//! Which product a thing belongs to, for keys that are limited to some products.

use uuid::Uuid;

use crate::store::{Pool, Result};

/// The product of a run.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, id: Uuid) -> Result<Option<String>> {
    sqlx::query_scalar!("select product from run where id = $1", id).fetch_optional(pool).await
}

/// The product of a requirement.
///
/// # Errors
/// When the database does not answer.
pub async fn of_requirement(pool: &Pool, id: Uuid) -> Result<Option<String>> {
    sqlx::query_scalar!("select product from requirement where id = $1", id).fetch_optional(pool).await
}

/// The product of a harness gap.
///
/// # Errors
/// When the database does not answer.
pub async fn of_gap(pool: &Pool, id: Uuid) -> Result<Option<String>> {
    sqlx::query_scalar!("select product from harness_gap where id = $1", id).fetch_optional(pool).await
}

/// The product of a proposal.
///
/// # Errors
/// When the database does not answer.
pub async fn of_proposal(pool: &Pool, id: Uuid) -> Result<Option<String>> {
    sqlx::query_scalar!("select product from proposal where id = $1", id).fetch_optional(pool).await
}

/// The product of a schedule.
///
/// # Errors
/// When the database does not answer.
pub async fn of_schedule(pool: &Pool, name: &str) -> Result<Option<String>> {
    sqlx::query_scalar!("select product from schedule where name = $1", name).fetch_optional(pool).await
}

/// The product of a dead letter.
///
/// # Errors
/// When the database does not answer.
pub async fn of_dead_letter(pool: &Pool, id: i64) -> Result<Option<String>> {
    sqlx::query_scalar!(
        "select r.product from dead_letter d join run r on r.id = d.run_id where d.id = $1",
        id
    )
    .fetch_optional(pool)
    .await
}
