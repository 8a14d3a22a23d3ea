//! Months of finished work, made in seconds: for measuring beside a past.

use super::{Pool, Result};

/// The most runs that are made in one statement.
const TOGETHER: i64 = 20_000;

/// Adds `runs` finished runs of the product `bench`, each with its requirement and `events_per_run` events
/// (at least 2), over the last year. Some hundred bytes each; 1,000,000 take a minute or two, longer than a
/// statement of the product may, so the pool should have no such limit.
///
/// # Errors
/// When the database does not do it; what was made before stays.
pub async fn fill(pool: &Pool, runs: i64, events_per_run: i32) -> Result<()> {
    sqlx::query(
        "insert into product (name, repository) values ('bench', 'aspora/bench') on conflict (name) do nothing",
    )
    .execute(pool)
    .await?;
    let mut made = 0;
    while made < runs {
        let some = (runs - made).min(TOGETHER);
        past(pool, made, some, runs, events_per_run.max(2)).await?;
        made += some;
    }
    for table in ["vacuum (analyze) requirement", "vacuum (analyze) run", "vacuum (analyze) event"] {
        sqlx::query(table).execute(pool).await?;
    }
    Ok(())
}

async fn past(pool: &Pool, from: i64, some: i64, all: i64, events: i32) -> Result<()> {
    let past = sqlx::query(include_str!("sql/fill.sql")).bind(from).bind(some).bind(all).bind(events);
    past.execute(pool).await.map(|_| ())
}
