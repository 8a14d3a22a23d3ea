//! The products and their repositories.

use crate::core::requirement::{ProductName, RepoName};
use crate::store::{Connection, Pool, Result};

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
    /// The most runs that may be open at once; nothing: any number.
    pub backlog: Option<i32>,
    /// The most jobs that are worked on at once; nothing: any number.
    pub concurrency: Option<i32>,
}

/// Adds a product or brings an existing one to these values. Runs that began earlier keep theirs.
///
/// # Errors
/// When the database does not answer.
pub async fn put(
    executor: impl sqlx::PgExecutor<'_>,
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
    .execute(executor)
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
        "select name, repository, base_branch, test_command, backlog,
                (select most from key_limit where key = 'product:' || name) as concurrency
         from product where name = $1",
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
    sqlx::query_as!(
        Product,
        "select name, repository, base_branch, test_command, backlog,
                (select most from key_limit where key = 'product:' || name) as concurrency
         from product order by name"
    )
    .fetch_all(pool)
    .await
}

/// Sets how many runs of a product may be open at once; nothing: any number.
///
/// # Errors
/// When the database does not answer.
pub async fn cap(
    executor: impl sqlx::PgExecutor<'_>,
    name: &ProductName,
    backlog: Option<i32>,
) -> Result<()> {
    sqlx::query!("update product set backlog = $2 where name = $1", name.as_str(), backlog)
        .execute(executor)
        .await
        .map(|_| ())
}

/// How many runs of a product are open, and how many may be, if that is limited. With a limit the product
/// stays locked until the transaction ends, so that nobody else opens a run in between.
///
/// # Errors
/// When the database does not answer.
pub async fn open_runs(connection: &mut Connection, name: &str) -> Result<Option<(i32, i64)>> {
    // A lock without a look would let two that come together both see room.
    let locked = sqlx::query_scalar!(
        r#"select backlog as "backlog!" from product where name = $1 and backlog is not null
           for no key update"#,
        name
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(most) = locked else { return Ok(None) };
    let open = sqlx::query_scalar!(
        r#"select count(*) as "open!" from run where product = $1 and status <> 'ended'"#,
        name
    )
    .fetch_one(connection)
    .await?;
    Ok(Some((most, open)))
}
