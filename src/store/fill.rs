//! Finished runs in bulk, to measure with: rows as a real factory leaves them, only faster.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Error, Pool, Result, partition};
use crate::core::{
    branch,
    run::{Event, Run},
    workflow::{Outcome, Workflow},
};

/// Runs that one statement makes.
const CHUNK: i64 = 20_000;
/// Statements at work at once.
const LANES: i64 = 2;

/// What to fill a database with.
#[derive(Debug, Clone, Copy)]
pub struct Fill {
    /// How many runs.
    pub runs: u32,
    /// How many events each has, at least 2: the start, failed attempts, and the end.
    pub events: u32,
    /// Over how many days, up to now, they were born.
    pub days: u32,
    /// Among how many products, `filled-0` and so on, they are spread evenly; at least 1.
    pub products: u32,
    /// The number that the first of them has in its title.
    pub first: u32,
}

impl Default for Fill {
    fn default() -> Self {
        Self { runs: 1_000_000, events: 3, days: 365, products: 10, first: 1 }
    }
}

/// Fills a database with finished runs of a graph whose first step is `generate`, which must be kept in it.
/// Nine of ten ended as `failed`, one as `cancelled`, one of 10,000 as `blocked`. A million takes about a minute.
///
/// Their histories fold to their states. The tables are analysed afterwards.
///
/// # Errors
/// When the database does not answer, the graph is another, or the same runs are there already.
pub async fn fill(pool: &Pool, workflow: &Workflow, fill: &Fill) -> Result<()> {
    let now = Utc::now();
    partition::make(pool, now - TimeDelta::days(fill.days.into()), now).await?;
    let products = fill.products.max(1);
    sqlx::query!(
        "insert into product (name, repository)
         select 'filled-' || n, 'acme/filled-' || n from generate_series(0, $1::integer - 1) n
         on conflict do nothing",
        signed(products)
    )
    .execute(pool)
    .await?;
    let (states, ends) = ends(workflow, fill.events)?;
    let (first, last) = (i64::from(fill.first), i64::from(fill.first) + i64::from(fill.runs) - 1);
    let lanes = (0..LANES).map(|lane| {
        let (states, ends) = (&states, &ends);
        async move {
            let mut from = first + lane * CHUNK;
            while from <= last {
                sqlx::query_file!(
                    "src/store/sql/fill.sql",
                    from,
                    last.min(from + CHUNK - 1),
                    last,
                    f64::from(fill.days),
                    i64::from(products),
                    workflow.hash,
                    states,
                    ends,
                    signed(fill.events.max(2)),
                    workflow.start,
                    failed(),
                    branch::name("%1$s", "%2$s")
                )
                .execute(pool)
                .await?;
                from += LANES * CHUNK;
            }
            Ok::<(), Error>(())
        }
    });
    futures::future::try_join_all(lanes).await?;
    sqlx::raw_sql("set statement_timeout = 0; analyze requirement, run, event; reset statement_timeout")
        .execute(pool)
        .await
        .map(|_| ())
}

fn failed() -> Value {
    json!({ "kind": "failed", "turn": 1, "error": "filled", "retry_at": "2026-01-01T00:00:00Z" })
}

/// What runs of each kind come to, and the events that end them.
fn ends(workflow: &Workflow, events: u32) -> Result<(Vec<Value>, Vec<Value>)> {
    let wrong = |what: String| Error::Configuration(what.into());
    let answered = |outcome| Event::Answered {
        turn: 1,
        outcome,
        note: "made in bulk".to_owned(),
        progress: crate::core::run::Progress::default(),
    };
    let attempts = events.saturating_sub(1).max(1);
    let exhausted = Event::Exhausted { turn: 1, attempts, error: "made in bulk".to_owned() };
    let (begun, _) = Run::start(workflow, Utc::now()).map_err(|error| wrong(error.to_string()))?;
    let (mut states, mut ends) = (Vec::new(), Vec::new());
    for event in [answered(Outcome::Declined), answered(Outcome::Closed), exhausted] {
        let (run, _) = begun.apply(workflow, &event, Utc::now()).map_err(|error| wrong(error.to_string()))?;
        states.push(serde_json::to_value(run).map_err(|error| Error::Encode(Box::new(error)))?);
        ends.push(serde_json::to_value(event).map_err(|error| Error::Encode(Box::new(error)))?);
    }
    Ok((states, ends))
}

fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
