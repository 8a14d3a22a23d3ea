//! How many jobs with one key may be held at once.

use super::{Pool, Result};
use crate::core::limit::{Key, MERGES};

/// A key, its limit and how many jobs with it are held now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: String,
    /// The most held at once; nothing: any number.
    pub most: Option<i32>,
    /// Held at this moment.
    pub held: i64,
}

/// Sets a limit.
///
/// # Errors
/// When the database does not answer.
pub async fn put(executor: impl sqlx::PgExecutor<'_>, key: &Key, most: i32) -> Result<()> {
    sqlx::query!(
        "insert into key_limit (key, most) values ($1, $2)
         on conflict (key) do update set most = excluded.most, updated_at = now()",
        key.to_string(),
        most
    )
    .execute(executor)
    .await
    .map(|_| ())
}

/// Removes a limit; false if there was none.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(executor: impl sqlx::PgExecutor<'_>, key: &Key) -> Result<bool> {
    let done =
        sqlx::query!("delete from key_limit where key = $1", key.to_string()).execute(executor).await?;
    Ok(done.rows_affected() == 1)
}

/// Every key that has a limit or is held, by name.
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
