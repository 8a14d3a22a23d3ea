//! Buckets of tokens that all workers share, and the penalties that close them.
//!
//! Taking is strict, by the database's clock, and one round trip; whoever takes sees every penalty that
//! was recorded before.

use std::time::Duration;

use crate::core::rate::{LONGEST, RateWindow, Wait};
use crate::store::{Pool, Result};

/// A limit that is known before the other side has said anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Its key.
    pub key: String,
    /// The most tokens at once; nothing: no limit is known, but somebody may name one, or close it.
    pub capacity: Option<f64>,
    /// Tokens that come back in a second.
    pub refill_per_s: f64,
}

/// What came of taking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The tokens are taken: make the call.
    Go,
    /// Nothing is taken: make no call before that.
    Wait(Wait),
}

/// Takes so many tokens from each of these buckets, from all or from none; each key once. `None`: one of
/// them does not exist, and nothing is taken; [`declare`] makes it.
///
/// # Errors
/// When the database does not answer; nothing is taken then, and no call may be made.
pub async fn take(pool: &Pool, keys: &[String], costs: &[f64]) -> Result<Option<Admission>> {
    let row = sqlx::query!(
        r#"select wait_s, of_key, reason, complete as "complete!" from rate_take($1, $2)"#,
        keys,
        costs
    )
    .fetch_one(pool)
    .await?;
    if !row.complete {
        return Ok(None);
    }
    Ok(Some(match (row.wait_s, row.of_key) {
        (Some(seconds), Some(key)) => {
            let wait = Duration::try_from_secs_f64(seconds.max(0.001)).unwrap_or(LONGEST);
            let is_penalty = row.reason.is_some();
            let why = row.reason.unwrap_or_else(|| "the budget is spent".to_owned());
            Admission::Wait(Wait { key, wait, is_penalty, why })
        }
        _ => Admission::Go,
    }))
}

/// Makes these buckets, full; those that exist stay as they are.
///
/// # Errors
/// When the database does not answer.
pub async fn declare(pool: &Pool, buckets: &[Bucket]) -> Result<()> {
    let keys: Vec<String> = buckets.iter().map(|bucket| bucket.key.clone()).collect();
    let capacities: Vec<Option<f64>> = buckets.iter().map(|bucket| bucket.capacity).collect();
    let refills: Vec<f64> = buckets.iter().map(|bucket| bucket.refill_per_s).collect();
    sqlx::query!(
        "insert into rate (key, capacity, tokens, refill_per_s)
         select key, capacity, coalesce(capacity, 0), refill
         from unnest($1::text[], $2::float8[], $3::float8[]) as bucket (key, capacity, refill)
         order by key
         on conflict (key) do nothing",
        &keys,
        &capacities as &[Option<f64>],
        &refills
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Closes a bucket for so long from now, at most [`LONGEST`]; one that is closed for longer stays so.
///
/// # Errors
/// When the database does not answer.
pub async fn penalise(pool: &Pool, key: &str, penalty: Duration, why: &str) -> Result<()> {
    sqlx::query!(
        "insert into rate as old (key, closed_until, why)
         values ($1, clock_timestamp() + make_interval(secs => $2), $3)
         on conflict (key) do update
         set closed_until = excluded.closed_until, why = excluded.why, updated_at = clock_timestamp()
         where old.closed_until is null or old.closed_until < excluded.closed_until",
        key,
        penalty.min(LONGEST).as_secs_f64(),
        why
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Brings a bucket to what the other side says of it. Within one window answers may overtake each other,
/// so that the smallest remainder counts; a new window or another limit counts at once.
///
/// # Errors
/// When the database does not answer.
pub async fn observe(pool: &Pool, key: &str, budget: &RateWindow) -> Result<()> {
    sqlx::query_file!(
        "src/store/queue/rate_observe.sql",
        key,
        f64::from(budget.limit.max(1)),
        f64::from(budget.remaining.min(budget.limit)),
        budget.refill_per_s(),
        budget.full_in.min(LONGEST * 24).as_secs_f64()
    )
    .execute(pool)
    .await
    .map(|_| ())
}
