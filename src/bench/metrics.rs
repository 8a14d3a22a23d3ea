//! The figures of many runs: how fast runs are counted, and how fast figures are read, over HTTP.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use chrono::{TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    Report,
    environment::Environment,
    figures::{figure, millis},
    history::{Server, request},
    progress,
    server::Database,
    throwaway,
};
use crate::store::{Pool, measure, partition};

/// The goal for the p95 of each answer, in milliseconds.
const GOAL: f64 = 300.0;
/// Over how many days the runs are spread, up to yesterday.
const DAYS: u32 = 365;
/// Runs that one statement inserts.
const CHUNK: i64 = 10_000;

/// Fills a database, counts its runs as a worker does, compares the sums with a recount and requests each answer again and
/// again.
pub(super) async fn measure(env: &Environment<'_>) -> anyhow::Result<Report> {
    let (sizes, runs) = (env.plan.sizes, env.plan.sizes.past);
    progress(&format!("metrics … inserting {runs} runs"));
    let database = env.server.create().await?;
    let pool = throwaway::pool(&database.url, 2).await?;
    fill(&pool, &database, runs).await.context("insert runs")?;
    progress("metrics … counting them");
    let (counted, took) = count(&pool).await.context("count the runs")?;
    throwaway::vacuum_all(&pool).await.context("vacuum the runs")?;
    progress("metrics … comparing with a recount");
    let differing = differing(&pool).await.context("recount")?;
    pool.close().await;
    let server = Server::start(&database, env.plan.connections).await?;
    let (mut line, mut met) = (Map::new(), true);
    for (name, path) in answers() {
        let url = format!("{}{path}", server.url);
        let spread = request(&server.client, &url, sizes.requests, sizes.limit * 6).await.context(path)?;
        line.insert(format!("{name}_p50_ms"), figure(spread.median()));
        line.insert(format!("{name}_p95_ms"), figure(spread.at(0.95)));
        met &= spread.at(0.95) <= GOAL;
    }
    server.stop().await?;
    env.server.drop_database(&database).await?;
    line.insert("runs".to_owned(), counted.into());
    line.insert("counted_per_s".to_owned(), figure(counted as f64 / took.as_secs_f64()));
    line.insert("differing_sums".to_owned(), differing.into());
    line.insert("goal".to_owned(), json!("p95 of every answer 300 ms, and no sum differs from a recount"));
    line.insert("met".to_owned(), (met && differing == 0).into());
    let fault = (differing > 0).then(|| format!("{differing} sums differ from a recount"));
    Ok(Report { line: Value::Object(line), fault })
}

/// The requests, each with its name: a month, a year, a part of it, and the runs behind figures.
fn answers() -> Vec<(&'static str, String)> {
    let today = Utc::now().date_naive();
    let year = today - TimeDelta::days(i64::from(DAYS));
    let quarter = today - TimeDelta::days(91);
    let rest = "/api/v1/metrics";
    vec![
        ("month", rest.to_owned()),
        ("quarter", format!("{rest}?from={quarter}&to={today}")),
        ("year", format!("{rest}?from={year}&to={today}")),
        ("year_of_product", format!("{rest}?from={year}&to={today}&product=filled-3&tier=high")),
        ("page_month", "/dashboard".to_owned()),
        ("page_year", format!("/dashboard?from={year}&to={today}")),
        ("runs_behind", format!("{rest}/runs?figure=merged&from={year}&to={today}")),
        ("page_runs_behind", format!("/dashboard/runs?figure=finding.high.open&from={year}&to={today}")),
    ]
}

async fn fill(pool: &Pool, database: &Database, runs: i64) -> anyhow::Result<()> {
    let now = Utc::now();
    partition::make(pool, now - TimeDelta::days(i64::from(DAYS) + 2), now).await?;
    sqlx::query!(
        "insert into product (name, repository)
         select 'filled-' || n, 'acme/filled-' || n from generate_series(0, 9) n on conflict do nothing"
    )
    .execute(pool)
    .await?;
    let hash = &database.graphs.single.hash;
    for from in (1..=runs).step_by(CHUNK as usize) {
        let to = runs.min(from + CHUNK - 1);
        sqlx::query_file!("src/bench/sql/fill_measured.sql", from, to, runs, f64::from(DAYS), hash)
            .execute(pool)
            .await?;
    }
    sqlx::raw_sql("set statement_timeout = 0; analyze; reset statement_timeout").execute(pool).await?;
    Ok(())
}

/// Counts what is due; how many runs, and how long it took.
async fn count(pool: &Pool) -> anyhow::Result<(usize, Duration)> {
    let (mut counted, began) = (0, Instant::now());
    let mut said = 0;
    loop {
        let taken = measure::fold(pool).await?;
        counted += taken;
        if counted / 100_000 > said {
            said = counted / 100_000;
            progress(&format!("metrics … {counted} counted, {:.0} s", millis(began.elapsed()) / 1000.0));
        }
        if taken == 0 {
            return Ok((counted, began.elapsed()));
        }
    }
}

/// How many sums differ from what the rows of the runs count, and the tables of the runs from both.
async fn differing(pool: &Pool) -> anyhow::Result<i64> {
    let mut tx = pool.begin().await?;
    sqlx::query!("set local statement_timeout = 0").execute(&mut *tx).await?;
    let rows = sqlx::query_file!("src/store/maintenance/invariant/measured.sql", 1_i64);
    let rows = rows.fetch_all(&mut *tx).await?;
    let differing = rows.first().map_or(0, |row| row.count);
    let raw = sqlx::query!(
        r#"select (select count(*) from run where ended_as = 'succeeded') as "merged!",
                  (select sum(settled_micro_dollars)::bigint from budget_use where scope = 'run') as "cost!",
                  (select count(*) from finding where state = 'dismissed' and severity <> 'low') as "wrong!",
                  (select coalesce(sum(amount), 0)::bigint from measure_sum where span = 'day' and figure = 'merged') as "merged_sum!",
                  (select coalesce(sum(amount), 0)::bigint from measure_sum where span = 'month' and figure = 'cost') as "cost_sum!",
                  (select coalesce(sum(amount), 0)::bigint from measure_sum where span = 'day' and figure = 'wrong.builtin') as "wrong_sum!""#
    );
    let raw = raw.fetch_one(&mut *tx).await?;
    tx.rollback().await?;
    let [tables, sums] = [[raw.merged, raw.cost, raw.wrong], [raw.merged_sum, raw.cost_sum, raw.wrong_sum]];
    ensure!(tables == sums, "the tables of the runs say {tables:?}, the sums {sums:?}");
    Ok(differing)
}
