//! What people hold: no job of a held scope is claimed.

use crate::core::hold::{Hold, Scope};
use crate::store::{Connection, Pool, Result};
use sqlx::Connection as _;

/// A hold, and what is left of the work that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The hold: an earlier one, if there was one.
    pub hold: Hold,
    /// Whether there was none before.
    pub is_new: bool,
    /// How many jobs of the scope still run; their attempts may end, and nothing follows.
    pub running: i64,
}

/// Holds a scope. Once this has returned, no job of it is claimed: a claim that began earlier has ended, and is counted
/// as running. A scope that is held already stays as it is.
///
/// # Errors
/// When the database does not answer.
pub async fn put(connection: &mut Connection, scope: &Scope, reason: &str, by: &str) -> Result<Placed> {
    let scope = scope.to_string();
    let mut tx = connection.begin().await?;
    // A transaction that claims a job now would not see the hold, so it waits for us, and we for the earlier ones.
    sqlx::query!("lock table job in share row exclusive mode").execute(&mut *tx).await?;
    let added = sqlx::query!(
        "insert into hold (scope, reason, held_by) values ($1, $2, $3) on conflict (scope) do nothing",
        scope,
        reason,
        by
    )
    .execute(&mut *tx)
    .await?;
    let hold =
        sqlx::query_as!(Hold, "select scope, reason, held_by as by, since from hold where scope = $1", scope)
            .fetch_one(&mut *tx)
            .await?;
    let running = sqlx::query_scalar!(
        r#"select count(*) as "running!" from job
           where lease_token is not null and visible_at > now()
             and $1 in ('all', 'product:' || product, 'queue:' || queue, 'worker:' || worker)"#,
        scope
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Placed { hold, is_new: added.rows_affected() == 1, running })
}

/// Releases a scope; `None` when it is not held. With `per_minute`, so many of its due jobs may begin in a minute, in the
/// order of their rank; otherwise all at once. Returns how many are due.
///
/// # Errors
/// When the database does not answer.
pub async fn release(
    connection: &mut Connection,
    scope: &Scope,
    per_minute: Option<u32>,
) -> Result<Option<u64>> {
    let scope = scope.to_string();
    let mut tx = connection.begin().await?;
    let gone = sqlx::query!("delete from hold where scope = $1", scope).execute(&mut *tx).await?;
    if gone.rows_affected() == 0 {
        return Ok(None);
    }
    let seconds = per_minute.map_or(0.0, |many| 60.0 / f64::from(many.max(1)));
    let due = sqlx::query!(
        "with due as (
             select id, row_number() over (order by rank, id) - 1 as place from job
             where lease_token is null and not paused and visible_at <= now()
               and $1 in ('all', 'product:' || product, 'queue:' || queue)
         )
         update job
         set visible_at = now() + place * make_interval(secs => $2),
             delayed_by = case when place > 0 and $2 > 0 then 'hold:' || $1 else delayed_by end,
             delayed_tries = case when place > 0 and $2 > 0 then attempts else delayed_tries end
         from due where job.id = due.id",
        scope,
        seconds
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Some(due.rows_affected()))
}

/// Every hold, the oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool) -> Result<Vec<Hold>> {
    sqlx::query_as!(Hold, "select scope, reason, held_by as by, since from hold order by since, scope")
        .fetch_all(pool)
        .await
}

/// The oldest hold of everything, of one of these products or of this queue.
///
/// # Errors
/// When the database does not answer.
pub async fn of(pool: &Pool, products: &[String], queue: &str) -> Result<Option<Hold>> {
    sqlx::query_as!(
        Hold,
        "select scope, reason, held_by as by, since from hold
         where scope in ('all', 'queue:' || $2) or scope in (select 'product:' || name from unnest($1::text[]) as its (name))
         order by since limit 1",
        products,
        queue
    )
    .fetch_optional(pool)
    .await
}
