//! When the open pull requests of a repository are listed.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::store::{Pool, Result};

/// A listing that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The repository, `owner/name`.
    pub repository: String,
    /// When it began, by the database's clock.
    pub began_at: DateTime<Utc>,
}

/// Claims the listing that is due longest, of the repositories whose products judge what others open; the next one is due
/// after `period`. `None` when none is due, or other processes make them.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(pool: &Pool, period: Duration) -> Result<Option<Due>> {
    sqlx::query!(
        "insert into listing (repository) select distinct repository from product where judging <> 'off'
         on conflict (repository) do nothing"
    )
    .execute(pool)
    .await?;
    sqlx::query_as!(
        Due,
        r#"update listing set due_at = now() + make_interval(secs => $1)
           where repository = (select repository from listing
                               where due_at <= now()
                                     and exists (select from product
                                                 where product.repository = listing.repository and judging <> 'off')
                               order by due_at limit 1 for update skip locked)
           returning repository, now() as "began_at!""#,
        period.as_secs_f64()
    )
    .fetch_optional(pool)
    .await
}

/// Records that a listing was complete.
///
/// # Errors
/// When the database does not answer.
pub async fn done(pool: &Pool, due: &Due) -> Result<()> {
    sqlx::query!("update listing set listed_at = $2 where repository = $1", due.repository, due.began_at)
        .execute(pool)
        .await
        .map(|_| ())
}
