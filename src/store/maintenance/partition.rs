//! The months in which runs and their rows lie.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::store::{Pool, Result};

/// The tables that lie in months. A run's own rows go last: the others are judged by them.
pub const TABLES: [&str; 4] = ["event", "attempt", "effect", "run"];

/// One month of one table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    /// The month as partitions are named by it, `2026_11`.
    pub name: String,
    /// The least id of a run that was born in it.
    pub from: Uuid,
    /// The least id of a run that was born after it.
    pub to: Uuid,
}

/// Makes the partitions of this month and the next two; what is there stays. Tells how many were made.
///
/// Any number of callers may do it at once, and a run whose month nobody made is still stored.
///
/// # Errors
/// When the database does not answer or this role may not create tables.
pub async fn prepare(pool: &Pool) -> Result<i32> {
    sqlx::query_scalar!(r#"select make_months(now(), now() + interval '2 months') as "made!""#)
        .fetch_one(pool)
        .await
}

/// Makes the partitions of every month between two moments; what is there stays.
///
/// # Errors
/// As [`prepare`].
pub async fn make(pool: &Pool, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<i32> {
    sqlx::query_scalar!(r#"select make_months($1, $2) as "made!""#, since, until).fetch_one(pool).await
}

/// The months of a table that end before `before`, oldest first; without one, all of them.
///
/// # Errors
/// When the database does not answer.
pub async fn months(
    executor: impl PgExecutor<'_>,
    table: &str,
    before: Option<DateTime<Utc>>,
) -> Result<Vec<Month>> {
    sqlx::query_as!(
        Month,
        r#"with months as (
               select right(child.relname, 7) as name, to_date(right(child.relname, 7), 'YYYY_MM') as month
               from pg_inherits
               join pg_class child on child.oid = inhrelid
               join pg_class parent on parent.oid = inhparent
               where parent.oid = to_regclass($1) and child.relname ~ '_\d{4}_\d{2}$'),
           bounds as (
               select name, month::timestamp at time zone 'utc' as since,
                      (month + interval '1 month') at time zone 'utc' as until
               from months)
           select name as "name!", run_id_floor(since) as "from!", run_id_floor(until) as "to!"
           from bounds where until <= coalesce($2::timestamptz, 'infinity') order by name"#,
        table,
        before
    )
    .fetch_all(executor)
    .await
}
