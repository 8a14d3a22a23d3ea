//! The monthly partitions of runs and their rows.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::store::{Pool, Result};

/// The partitioned tables. `run` is last, as the partitions of the others are dropped by the state of their runs.
pub const TABLES: [&str; 4] = ["event", "attempt", "effect", "run"];

/// A partition of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    /// The suffix of the partition's name, `2026_11`.
    pub name: String,
    /// The lower bound of the ids of its runs.
    pub from: Uuid,
    /// The upper bound of the ids of its runs, exclusive.
    pub to: Uuid,
}

/// Creates the missing partitions of this month and the next two; how many were created.
///
/// Any number of callers may do it at once. A run whose month has no partition is stored in the default one.
///
/// # Errors
/// When the database does not answer or this role may not create tables.
pub async fn prepare(pool: &Pool) -> Result<i32> {
    sqlx::query_scalar!(r#"select make_months(now(), now() + interval '2 months') as "made!""#)
        .fetch_one(pool)
        .await
}

/// Creates the missing partitions of every month between two moments; how many were created.
///
/// # Errors
/// As [`prepare`].
pub async fn make(pool: &Pool, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<i32> {
    sqlx::query_scalar!(r#"select make_months($1, $2) as "made!""#, since, until).fetch_one(pool).await
}

/// The partitions of a table whose month ends before `before`, or all of them, oldest first.
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
