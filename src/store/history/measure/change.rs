//! What changes when runs are counted: their rows, and the sums.

use std::collections::{BTreeMap, HashMap};

use chrono::{Datelike as _, NaiveDate};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use crate::core::measure::{Measure, Objectives, Sum, bucket};
use crate::store::{Connection, Result};

/// The spans of the sums.
const SPANS: [&str; 2] = ["day", "month"];

/// Where a sum is: span, first day, figure, product, tier.
type Cell = (&'static str, NaiveDate, String, String, String);
/// Where a count of runs is: span, first day, what took so long, bucket, product, tier.
type Slot = (&'static str, NaiveDate, &'static str, i16, String, String);

/// What changes.
#[derive(Debug, Default)]
pub(super) struct Change {
    sums: BTreeMap<Cell, Sum>,
    spread: BTreeMap<Slot, i64>,
    put: Vec<(Uuid, Measure)>,
    removed: Vec<Uuid>,
}

impl Change {
    /// A run counted something, or nothing, and now counts something, or nothing.
    pub(super) fn replace(&mut self, run: Uuid, before: Option<&Measure>, now: Option<Measure>) {
        if before == now.as_ref() {
            return;
        }
        if let Some(before) = before {
            self.add(before, -1);
        }
        match now {
            Some(now) => {
                self.add(&now, 1);
                self.put.push((run, now));
            }
            None => self.removed.push(run),
        }
    }

    fn add(&mut self, measure: &Measure, sign: i64) {
        for span in SPANS {
            let day = measure.day();
            let period = if span == "day" { day } else { day.with_day(1).unwrap_or(day) };
            let place = || (measure.product.clone(), measure.tier.clone());
            for (figure, amount) in &measure.figures {
                let (product, tier) = place();
                let sum = self.sums.entry((span, period, figure.clone(), product, tier)).or_default();
                sum.runs += sign;
                sum.amount += sign * amount;
            }
            for (what, ms) in [("cycle", measure.cycle_ms), ("first_pull", measure.first_pull_ms)] {
                let Some(ms) = ms else { continue };
                let (product, tier) = place();
                *self.spread.entry((span, period, what, bucket(ms), product, tier)).or_default() += sign;
            }
        }
    }

    /// Stores it.
    pub(super) async fn store(self, tx: &mut Connection) -> Result<()> {
        if !self.removed.is_empty() {
            sqlx::query!("delete from run_measure where run = any($1)", &self.removed)
                .execute(&mut *tx)
                .await?;
        }
        put(tx, self.put).await?;
        add_sums(tx, self.sums).await?;
        add_spread(tx, self.spread).await
    }
}

async fn add_sums(tx: &mut Connection, sums: BTreeMap<Cell, Sum>) -> Result<()> {
    let (mut spans, mut periods, mut figures) = (Vec::new(), Vec::new(), Vec::new());
    let (mut products, mut tiers, mut runs, mut amounts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((span, period, figure, product, tier), sum) in sums {
        if sum == Sum::default() {
            continue;
        }
        spans.push(span.to_owned());
        periods.push(period);
        figures.push(figure);
        products.push(product);
        tiers.push(tier);
        runs.push(sum.runs);
        amounts.push(sum.amount);
    }
    sqlx::query!(
        "insert into measure_sum (span, period, figure, product, tier, runs, amount)
         select * from unnest($1::text[], $2::date[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
         on conflict (span, period, figure, product, tier) do update
         set runs = measure_sum.runs + excluded.runs, amount = measure_sum.amount + excluded.amount",
        &spans,
        &periods,
        &figures,
        &products,
        &tiers,
        &runs,
        &amounts
    )
    .execute(tx)
    .await
    .map(|_| ())
}

async fn add_spread(tx: &mut Connection, spread: BTreeMap<Slot, i64>) -> Result<()> {
    let (mut spans, mut periods, mut whats) = (Vec::new(), Vec::new(), Vec::new());
    let (mut buckets, mut products, mut tiers, mut runs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((span, period, what, bucket, product, tier), count) in spread {
        if count == 0 {
            continue;
        }
        spans.push(span.to_owned());
        periods.push(period);
        whats.push(what.to_owned());
        buckets.push(bucket);
        products.push(product);
        tiers.push(tier);
        runs.push(count);
    }
    sqlx::query!(
        "insert into measure_spread (span, period, what, bucket, product, tier, runs)
         select * from unnest($1::text[], $2::date[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::bigint[])
         on conflict (span, period, what, bucket, product, tier) do update
         set runs = measure_spread.runs + excluded.runs",
        &spans,
        &periods,
        &whats,
        &buckets,
        &products,
        &tiers,
        &runs
    )
    .execute(tx)
    .await
    .map(|_| ())
}

async fn put(tx: &mut Connection, rows: Vec<(Uuid, Measure)>) -> Result<()> {
    let each = |read: fn(&Measure) -> Option<i64>| -> Vec<Option<i64>> {
        rows.iter().map(|(_, measure)| read(measure)).collect()
    };
    let (cycle, first_pull) = (each(|measure| measure.cycle_ms), each(|measure| measure.first_pull_ms));
    let numbered =
        |spans: &[Option<i64>]| -> Vec<Option<i16>> { spans.iter().map(|ms| ms.map(bucket)).collect() };
    let runs: Vec<Uuid> = rows.iter().map(|(run, _)| *run).collect();
    let times: Vec<_> = rows.iter().map(|(_, measure)| measure.counted_at).collect();
    let days: Vec<NaiveDate> = rows.iter().map(|(_, measure)| measure.day()).collect();
    let products: Vec<String> = rows.iter().map(|(_, measure)| measure.product.clone()).collect();
    let tiers: Vec<String> = rows.iter().map(|(_, measure)| measure.tier.clone()).collect();
    let loops: Vec<i32> = rows.iter().map(|(_, measure)| measure.objectives.loop_minutes).collect();
    let firsts: Vec<i32> = rows.iter().map(|(_, measure)| measure.objectives.first_pull_minutes).collect();
    let figures: Vec<Value> = rows.iter().map(|(_, measure)| serde_json::json!(measure.figures)).collect();
    sqlx::query_file!(
        "src/store/history/measure/put.sql",
        &runs,
        &times,
        &days,
        &products,
        &tiers,
        &cycle as _,
        &first_pull as _,
        &numbered(&cycle) as _,
        &numbered(&first_pull) as _,
        &loops,
        &firsts,
        &figures
    )
    .execute(tx)
    .await
    .map(|_| ())
}

/// What these runs count until now.
pub(super) async fn stored(tx: &mut Connection, runs: &[Uuid]) -> Result<HashMap<Uuid, Measure>> {
    let rows = sqlx::query!(
        r#"select run, counted_at, product, tier, cycle_ms, first_pull_ms, loop_minutes, first_pull_minutes,
                  figures as "figures: Json<BTreeMap<String, i64>>"
           from run_measure where run = any($1)"#,
        runs
    );
    let measures = rows.fetch_all(tx).await?.into_iter().map(|row| {
        let measure = Measure {
            counted_at: row.counted_at,
            product: row.product,
            tier: row.tier,
            cycle_ms: row.cycle_ms,
            first_pull_ms: row.first_pull_ms,
            objectives: Objectives {
                first_pull_minutes: row.first_pull_minutes,
                loop_minutes: row.loop_minutes,
            },
            figures: row.figures.0,
        };
        (row.run, measure)
    });
    Ok(measures.collect())
}
