//! Which repositories the products have, by the forge's number and by name. Letter case does not count in a name.

use crate::core::requirement::{ProductName, RepoName};
use crate::store::{Connection, Pool, Result};

/// Records the forge's number of a product's repository.
///
/// # Errors
/// When the database does not answer.
pub async fn identify(executor: impl sqlx::PgExecutor<'_>, product: &ProductName, id: i64) -> Result<()> {
    sqlx::query!("update product set repository_id = $2 where name = $1", product.as_str(), id)
        .execute(executor)
        .await
        .map(|_| ())
}

/// A name that a repository has here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name, as products and runs spell it.
    pub name: String,
    /// Whether a product has it.
    pub is_of_product: bool,
}

/// The names of a repository here: those of the products with this number, or with this name unless they have another
/// number; and, for runs whose product has gone elsewhere, the name itself.
///
/// # Errors
/// When the database does not answer.
pub async fn names(connection: &mut Connection, id: Option<i64>, name: &str) -> Result<Vec<Name>> {
    sqlx::query_as!(
        Name,
        r#"with its as (
               select distinct repository as name from product
               where removed_at is null
                 and (repository_id = $1
                      or lower(repository) = lower($2) and ($1::bigint is null or coalesce(repository_id, $1) = $1))
           )
           select name as "name!", true as "is_of_product!" from its
           union all
           select $2, false
           where $2 not in (select name from its)
             and not exists (select from product where lower(repository) = lower($2) and repository_id <> $1)"#,
        id,
        name
    )
    .fetch_all(connection)
    .await
}

/// Whether the forge should be asked what this repository is called: a product has its number and another name, or its
/// name and no number yet.
///
/// # Errors
/// When the database does not answer.
pub async fn is_unsettled(pool: &Pool, id: i64, name: &RepoName) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from product
               where repository_id = $1 and lower(repository) <> lower($2)
                  or repository_id is null and lower(repository) = lower($2)
           ) as "unsettled!""#,
        id,
        name.to_string()
    )
    .fetch_one(pool)
    .await
}

/// Gives a repository the name that the forge says it has now: in products, their runs and the signals of those. The
/// names that it had.
///
/// # Errors
/// When the database does not answer.
pub async fn settle(connection: &mut Connection, id: i64, name: &RepoName) -> Result<Vec<String>> {
    let name = name.to_string();
    sqlx::query!(
        "update product set repository_id = $1 where repository_id is null and lower(repository) = lower($2)",
        id,
        name
    )
    .execute(&mut *connection)
    .await?;
    let former = sqlx::query_scalar!(
        "select distinct repository from product where repository_id = $1 and lower(repository) <> lower($2)",
        id,
        name
    )
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query!(
        "update product set repository = $2 where repository_id = $1 and lower(repository) <> lower($2)",
        id,
        name
    )
    .execute(&mut *connection)
    .await?;
    for from in &former {
        rename(connection, from, &name).await?;
    }
    Ok(former)
}

/// The repositories of products and of runs that have not ended.
///
/// # Errors
/// When the database does not answer.
pub async fn in_use(pool: &Pool) -> Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select repository as "name!" from product
           union select repository from run where status <> 'ended'"#
    )
    .fetch_all(pool)
    .await
}

/// Gives another name to the repository of the runs that have a pull request or have not ended, of the keys of their
/// merges, and of their signals.
///
/// # Errors
/// When the database does not answer.
pub async fn rename(connection: &mut Connection, from: &str, to: &str) -> Result<()> {
    rename_keys(connection, from, to).await?;
    // In one order, so that two that do it wait for each other and not in a circle.
    sqlx::query!(
        "update run set repository = $2
         from (select id from run where repository = $1 and (status <> 'ended' or pull is not null)
               order by id for no key update) as its
         where run.id = its.id",
        from,
        to
    )
    .execute(&mut *connection)
    .await?;
    // Under the new name there may be rows already, which are of a repository that is gone.
    sqlx::query!(
        "update pull set repository = $2
         where repository = $1
               and not exists (select from pull its where its.repository = $2 and its.number = pull.number)",
        from,
        to
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("delete from listing where repository = $1", from).execute(&mut *connection).await?;
    sqlx::query!("update merged set repository = $2 where repository = $1", from, to)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("update deployment set repository = $2 where repository = $1", from, to)
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "update signal set repository = $2
         from run
         where run.repository = $2 and run.status <> 'ended'
           and signal.run_id = run.id and signal.repository = $1",
        from,
        to
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Lets the merges that are due or under way count under the new name, so that none begins under it meanwhile. Jobs are
/// locked before runs, as everywhere.
async fn rename_keys(connection: &mut Connection, from: &str, to: &str) -> Result<()> {
    sqlx::query!(
        "update job
         set keys = array(select case when starts_with(key, $1) then $2 || substr(key, length($1) + 1) else key end
                          from unnest(job.keys) with ordinality as old (key, place) order by place)
         from (select id from job where starts_with(keys[1], $1) order by id for update) as its
         where job.id = its.id",
        format!("merge:{from}:"),
        format!("merge:{to}:")
    )
    .execute(connection)
    .await
    .map(|_| ())
}
