//! The products and their repositories.

use super::{Pool, Result};
use crate::core::requirement::{ProductName, RepoName};

/// A product that requirements may be submitted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its name.
    pub name: String,
    /// The repository on the forge, `owner/name`.
    pub repository: String,
    /// The branch that changes are merged into.
    pub base_branch: String,
    /// The command that runs the product's tests in the sandbox; empty: it has none.
    pub test_command: Vec<String>,
}

/// Adds a product or brings an existing one to these values. Runs that began earlier keep theirs.
///
/// # Errors
/// When the database does not answer.
pub async fn put(
    pool: &Pool,
    name: &ProductName,
    repository: &RepoName,
    base_branch: &str,
    test_command: &[String],
) -> Result<()> {
    sqlx::query!(
        "insert into product (name, repository, base_branch, test_command) values ($1, $2, $3, $4)
         on conflict (name) do update
         set repository = excluded.repository, base_branch = excluded.base_branch,
             test_command = excluded.test_command",
        name.as_str(),
        repository.to_string(),
        base_branch,
        test_command
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// One product.
///
/// # Errors
/// When the database does not answer.
pub async fn get(executor: impl sqlx::PgExecutor<'_>, name: &str) -> Result<Option<Product>> {
    sqlx::query_as!(
        Product,
        "select name, repository, base_branch, test_command from product where name = $1",
        name
    )
    .fetch_optional(executor)
    .await
}

/// All products, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool) -> Result<Vec<Product>> {
    sqlx::query_as!(Product, "select name, repository, base_branch, test_command from product order by name")
        .fetch_all(pool)
        .await
}
