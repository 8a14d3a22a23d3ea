//! Token buckets that all workers share, and the penalties that close them.
//!
//! Taking tokens is one round trip, uses the database's clock, and sees every penalty that was stored before.

use std::time::Duration;

use crate::core::rate::{LONGEST, RateWindow, Wait};
use crate::store::{Pool, Result};

/// A bucket with a limit that is known before the server has reported one.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Its key.
    pub key: String,
    /// The maximum of tokens; `None`: no limit is known, but one may be observed, and a penalty can close it.
    pub capacity: Option<f64>,
    /// Tokens that are refilled in a second.
    pub refill_per_s: f64,
}

/// The result of taking tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The tokens are taken: make the call.
    Go,
    /// Nothing is taken: make no call before the wait is over.
    Wait(Wait),
}

/// Takes tokens from all of these buckets or from none; the keys must be distinct. `None`: one of them does not exist,
/// and nothing is taken; [`declare`] creates it.
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
            let why = row.reason.unwrap_or_else(|| "the limit is used up".to_owned());
            Admission::Wait(Wait { key, wait, is_penalty, why })
        }
        _ => Admission::Go,
    }))
}

/// Creates those of these buckets that do not exist, full.
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

/// Closes a bucket for this long, at most [`LONGEST`]; one that is closed for longer stays closed.
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

/// Sets a bucket to what the server reports. Responses within one window may arrive out of order, so the smallest
/// remainder counts; a new window or another limit counts at once.
///
/// # Errors
/// When the database does not answer.
pub async fn observe(pool: &Pool, key: &str, window: &RateWindow) -> Result<()> {
    sqlx::query_file!(
        "src/store/queue/rate_observe.sql",
        key,
        f64::from(window.limit.max(1)),
        f64::from(window.remaining.min(window.limit)),
        window.refill_per_s(),
        window.full_in.min(LONGEST * 24).as_secs_f64()
    )
    .execute(pool)
    .await
    .map(|_| ())
}
