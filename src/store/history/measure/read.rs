//! What the figures say of a range of days, and the runs behind them.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::core::measure::{Range, Spread, Sum};
use crate::store::{Pool, Result};

/// Up to so many runs, quantiles are read from the runs themselves.
const EXACT: i64 = 50_000;

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The days.
    pub range: Range,
    /// Only these products; `None`: all.
    pub products: Option<Vec<String>>,
    /// Only this tier.
    pub tier: Option<String>,
}

/// The sums of a range, by day, or by the first of a month where the whole month is in a long range.
///
/// # Errors
/// When the database does not answer.
pub async fn sums(pool: &Pool, filter: &Filter) -> Result<Vec<(NaiveDate, String, Sum)>> {
    let months = filter.range.whole_months();
    let days = filter.range.days_beside(&months);
    let rows = sqlx::query!(
        r#"select period as "period!", figure as "figure!", sum(runs)::bigint as "runs!", sum(amount)::bigint as "amount!"
           from (
               select period, figure, runs, amount from measure_sum
               where span = 'month' and period = any($1)
                 and ($3::text[] is null or product = any($3)) and ($4::text is null or tier = $4)
               union all
               select period, figure, runs, amount from measure_sum
               where span = 'day' and period = any($2)
                 and ($3::text[] is null or product = any($3)) and ($4::text is null or tier = $4)
           ) part
           group by period, figure"#,
        &months,
        &days,
        filter.products.as_deref(),
        filter.tier
    );
    let sums = rows.fetch_all(pool).await?.into_iter();
    Ok(sums.map(|row| (row.period, row.figure, Sum { runs: row.runs, amount: row.amount })).collect())
}

/// How long the runs of a range took: `cycle` or `first_pull`. `runs` is how many there are, as the sums say; few are read
/// themselves, of many only the counts by bucket.
///
/// # Errors
/// When the database does not answer.
pub async fn spread(pool: &Pool, filter: &Filter, what: &str, runs: i64) -> Result<Spread> {
    if runs > EXACT {
        return buckets(pool, filter, what).await;
    }
    let days = filter.range.days_beside(&[]);
    let row = sqlx::query_file!(
        "src/store/history/measure/spread.sql",
        &days,
        filter.products.as_deref(),
        filter.tier,
        what
    );
    let row = row.fetch_one(pool).await?;
    Ok(Spread { runs: row.runs, median: row.median, p90: row.p90, is_exact: true })
}

async fn buckets(pool: &Pool, filter: &Filter, what: &str) -> Result<Spread> {
    let months = filter.range.months_within();
    let days = filter.range.days_beside(&months);
    let rows = sqlx::query!(
        r#"select bucket as "bucket!", sum(runs)::bigint as "runs!"
           from (
               select bucket, runs from measure_spread
               where span = 'month' and period = any($1) and what = $5
                 and ($3::text[] is null or product = any($3)) and ($4::text is null or tier = $4)
               union all
               select bucket, runs from measure_spread
               where span = 'day' and period = any($2) and what = $5
                 and ($3::text[] is null or product = any($3)) and ($4::text is null or tier = $4)
           ) part
           group by bucket"#,
        &months,
        &days,
        filter.products.as_deref(),
        filter.tier,
        what
    );
    let rows: Vec<_> = rows.fetch_all(pool).await?.into_iter().map(|row| (row.bucket, row.runs)).collect();
    Ok(Spread::of(&rows))
}

/// A run that adds to a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The run.
    pub run: Uuid,
    /// Its product.
    pub product: String,
    /// Its tier, or `none`.
    pub tier: String,
    /// When it counts.
    pub counted_at: DateTime<Utc>,
    /// What it adds.
    pub amount: i64,
    /// The title of its requirement, or of the pull request of others.
    pub title: Option<String>,
    /// Whether the run is still there; otherwise retention has deleted it.
    pub exists: bool,
}

/// Which runs that add to a figure.
#[derive(Debug, Clone, Copy)]
pub struct Behind<'a> {
    /// The figure.
    pub figure: &'a str,
    /// Only those before this place.
    pub before: Option<(DateTime<Utc>, Uuid)>,
    /// The most, at least 1.
    pub limit: i64,
}

/// The runs that add to a figure, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn behind(pool: &Pool, filter: &Filter, wanted: Behind<'_>) -> Result<Vec<Listed>> {
    let (at, run) = wanted.before.unwrap_or((DateTime::<Utc>::MAX_UTC, Uuid::max()));
    let last = filter.range.to().min(at.date_naive());
    let mut days = Vec::new();
    let found = sqlx::query!(
        r#"select period, sum(runs)::bigint as "runs!" from measure_sum
           where span = 'day' and figure = $1 and period between $2 and $3
             and ($4::text[] is null or product = any($4)) and ($5::text is null or tier = $5)
           group by period order by period desc"#,
        wanted.figure,
        filter.range.from(),
        last,
        filter.products.as_deref(),
        filter.tier
    );
    // No more days than the page needs, so that a figure of a million runs is as quick as one of ten.
    let mut runs = 0;
    for day in found.fetch_all(pool).await? {
        if runs >= wanted.limit {
            break;
        }
        // Of the day where the last page ended, some are shown already.
        runs += if wanted.before.is_some() && day.period == last { 0 } else { day.runs };
        days.push(day.period);
    }
    let at =
        if wanted.before.is_some() { at } else { DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(at) };
    sqlx::query_file_as!(
        Listed,
        "src/store/history/measure/behind.sql",
        wanted.figure,
        &days,
        filter.products.as_deref(),
        filter.tier,
        at,
        run,
        wanted.limit
    )
    .fetch_all(pool)
    .await
}
