//! Limits of how many jobs with one key are held at once.

use sqlx::Connection as _;

use crate::core::limit::{Key, MERGES};
use crate::store::{Connection, Pool, Result};

/// A key, its limit and how many jobs hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: String,
    /// The limit; `None`: any number.
    pub most: Option<i32>,
    /// How many jobs hold it now.
    pub held: i64,
}

/// Sets a limit. Jobs that hold the key already keep it, and count.
///
/// # Errors
/// When the database does not answer.
pub async fn put(connection: &mut Connection, key: &Key, most: i32) -> Result<()> {
    let key = key.to_string();
    let mut tx = connection.begin().await?;
    // A transaction that enqueues or claims a job now would not see the limit, so it waits for us.
    sqlx::query!("lock table job in share row exclusive mode").execute(&mut *tx).await?;
    sqlx::query!(
        "insert into key_limit (key, most) values ($1, $2)
         on conflict (key) do update set most = excluded.most, updated_at = now()",
        key,
        most
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "with held as (
             insert into key_hold (key, job)
             select $1, id from job where $1 = any (keys) and lease_token is not null
             on conflict do nothing
         )
         update job set guarded = true where $1 = any (keys) and not guarded",
        key
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// The limit of a key; `None`: any number.
///
/// # Errors
/// When the database does not answer.
pub async fn get(connection: &mut Connection, key: &Key) -> Result<Option<i32>> {
    sqlx::query_scalar!("select most from key_limit where key = $1", key.to_string())
        .fetch_optional(connection)
        .await
}

/// Removes a limit; false when there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(executor: impl sqlx::PgExecutor<'_>, key: &Key) -> Result<bool> {
    let done =
        sqlx::query!("delete from key_limit where key = $1", key.to_string()).execute(executor).await?;
    Ok(done.rows_affected() == 1)
}

/// Every key that has a limit or is held, sorted.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"with held as (
               select key, count(*) as jobs
               from job cross join unnest(keys) as key
               where lease_token is not null and visible_at > now()
               group by key
           )
           select key as "key!", coalesce(most, case when key like 'merge:%' then $1::integer end) as most,
                  coalesce(jobs, 0) as "held!"
           from key_limit full join held using (key)
           order by key"#,
        MERGES
    )
    .fetch_all(pool)
    .await
}
