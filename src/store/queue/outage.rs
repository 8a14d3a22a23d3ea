//! The breakers of the servers that we call, which all workers share. Every decision is of `core::outage` and by the
//! database's clock.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    core::outage::{Breaker, Outage, PROBE_LEASE, Pass, Provider},
    store::{Connection, Pool, Result},
};

/// The shortest wait of a call that is held back.
const LEAST_WAIT: Duration = Duration::from_secs(1);
/// The most characters of an error that are kept.
const ERROR_LIMIT: usize = 500;

/// The result of asking for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Make the call, and report how it ended.
    Go(Pass),
    /// Make no call before the wait is over.
    Wait(Outage),
}

/// A provider that does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key of the provider.
    pub provider: String,
    /// When the outage began.
    pub since: DateTime<Utc>,
    /// When the next probe is due.
    pub next_probe_at: DateTime<Utc>,
    /// Failed probes.
    pub probes: i32,
    /// What failed last.
    pub error: String,
}

/// Asks for a call. While the breaker is open only a probe is admitted, one at a time.
///
/// # Errors
/// When the database does not answer; no call may be made then.
pub async fn pass(pool: &Pool, provider: &Provider) -> Result<Admission> {
    let (key, token) = (provider.to_string(), Uuid::new_v4());
    let row = sqlx::query_file!("src/store/queue/outage_pass.sql", key, token, PROBE_LEASE.as_secs_f64())
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else { return Ok(Admission::Go(Pass::default())) };
    if row.is_open && !row.is_probe {
        // At least one interval: an answer to the probe makes the jobs due earlier, and if its worker is lost, one of
        // them is the next probe.
        let interval = LEAST_WAIT * 2_u32.saturating_pow(row.probes.clamp(0, 5).unsigned_abs());
        let next = Duration::try_from_secs_f64(row.next_probe_s.unwrap_or_default()).unwrap_or_default();
        let (provider, wait) = (provider.clone(), next.max(interval));
        return Ok(Admission::Wait(Outage {
            provider,
            wait,
            since: row.since,
            error: row.error,
            was_made: false,
            fallback: None,
        }));
    }
    Ok(Admission::Go(Pass { probe: row.is_probe.then_some(token), is_troubled: row.is_troubled }))
}

/// Gives a probe back that was not made.
///
/// # Errors
/// When the database does not answer; the probe then runs out by itself.
pub async fn give_back(pool: &Pool, provider: &Provider, probe: Uuid) -> Result<()> {
    let key = provider.to_string();
    sqlx::query!(
        "update outage set probe_token = null, probe_until = null where provider = $1 and probe_token = $2",
        key,
        probe
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Records that a call was answered, whatever the answer. Returns how many jobs are due over the time `spread`, if that
/// closed the breaker.
///
/// # Errors
/// When the database does not answer.
pub async fn answered(pool: &Pool, provider: &Provider, pass: Pass, spread: Duration) -> Result<Option<i64>> {
    if !pass.is_troubled {
        return Ok(None);
    }
    let key = provider.to_string();
    let row = sqlx::query_file!("src/store/queue/outage_answered.sql", key, pass.probe, spread.as_secs_f64())
        .fetch_one(pool)
        .await?;
    Ok(row.was_open.then_some(row.due))
}

/// Records that a call was not answered, and returns for how long its caller waits.
///
/// # Errors
/// When the database does not answer.
pub async fn failed(pool: &Pool, provider: &Provider, pass: Pass, error: &str) -> Result<Outage> {
    let key = provider.to_string();
    let error: String = error.chars().filter(|c| *c != '\0').take(ERROR_LIMIT).collect();
    let mut tx = pool.begin().await?;
    sqlx::query!("insert into outage (provider) values ($1) on conflict (provider) do nothing", key)
        .execute(&mut *tx)
        .await?;
    let (before, is_probe, now, random) = locked(&mut tx, &key, pass.probe).await?;
    let after = before.failed(now, is_probe, random);
    save(&mut tx, &key, &after, is_probe, &error).await?;
    tx.commit().await?;
    let since = after.since.filter(|_| after.opened_at.is_some());
    if before.opened_at.is_none() && since.is_some() {
        tracing::warn!(%provider, "{} is down: {error}", provider.in_words());
    }
    let wait = after.wait(now);
    Ok(Outage { since, ..Outage::of_one_call(provider.clone(), wait, error) })
}

/// The breaker, locked; whether this probe is the one under way; the time; a random number.
async fn locked(
    tx: &mut Connection,
    key: &str,
    probe: Option<Uuid>,
) -> Result<(Breaker, bool, DateTime<Utc>, f64)> {
    let row = sqlx::query!(
        r#"select failures, first_failed_at, last_failed_at, since, opened_at, closed_at, probes, next_probe_at,
                  coalesce(probe_token = $2, false) as "is_probe!", random() as "random!"
           from outage where provider = $1 for update"#,
        key,
        probe
    )
    .fetch_one(&mut *tx)
    .await?;
    // Read when the row is locked, so that the failures of several workers are in order.
    let now = crate::store::now(tx).await?;
    let breaker = Breaker {
        failures: row.failures.unsigned_abs(),
        first_failed_at: row.first_failed_at,
        last_failed_at: row.last_failed_at,
        since: row.since,
        opened_at: row.opened_at,
        closed_at: row.closed_at,
        probes: row.probes.unsigned_abs(),
        next_probe_at: row.next_probe_at,
    };
    Ok((breaker, row.is_probe, now, row.random))
}

async fn save(
    tx: &mut Connection,
    key: &str,
    breaker: &Breaker,
    ends_probe: bool,
    error: &str,
) -> Result<()> {
    let count = |number| i32::try_from(number).unwrap_or(i32::MAX);
    sqlx::query!(
        "update outage
         set failures = $2, first_failed_at = $3, last_failed_at = $4, since = $5, opened_at = $6, probes = $7,
             next_probe_at = $8, error = $9,
             probe_token = case when $10 then null else probe_token end,
             probe_until = case when $10 then null else probe_until end
         where provider = $1",
        key,
        count(breaker.failures),
        breaker.first_failed_at,
        breaker.last_failed_at,
        breaker.since,
        breaker.opened_at,
        count(breaker.probes),
        breaker.next_probe_at,
        error,
        ends_probe
    )
    .execute(tx)
    .await
    .map(|_| ())
}

/// Those of these providers that are down and not due for a probe, in this order, with the waits until the latter.
///
/// # Errors
/// When the database does not answer.
pub async fn shut(pool: &Pool, providers: &[Provider]) -> Result<Vec<Outage>> {
    let keys: Vec<String> = providers.iter().map(ToString::to_string).collect();
    let rows = sqlx::query!(
        r#"select provider, since, error, extract(epoch from
                  greatest(next_probe_at, probe_until) - clock_timestamp())::float8 as "wait_s!"
           from outage
           where provider = any ($1) and opened_at is not null
             and greatest(next_probe_at, probe_until) > clock_timestamp()
           order by array_position($1, provider)"#,
        &keys
    )
    .fetch_all(pool)
    .await?;
    let outage = |provider: Provider, wait_s, since, error| {
        let wait = Duration::try_from_secs_f64(wait_s).unwrap_or_default().max(LEAST_WAIT);
        Outage { provider, wait, since, error, was_made: false, fallback: None }
    };
    let read = |key: &str| key.parse().ok();
    Ok(rows
        .into_iter()
        .filter_map(|row| Some(outage(read(&row.provider)?, row.wait_s, row.since, row.error)))
        .collect())
}

/// Every provider that is down, the oldest outage first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select provider, since as "since!", next_probe_at as "next_probe_at!", probes, error
           from outage where opened_at is not null order by since, provider"#
    )
    .fetch_all(pool)
    .await
}

/// How many jobs wait for a provider, be it as a fallback.
///
/// # Errors
/// When the database does not answer.
pub async fn waiting(pool: &Pool, provider: &str) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from job
           where (delayed_by = $1 or delayed_beside = $1) and lease_token is null and delayed_tries = attempts"#,
        provider
    )
    .fetch_one(pool)
    .await
}

/// Makes the next probe of a provider due now, whatever probe is under way, and the jobs that wait for it over the time
/// `spread`. Returns how many jobs; `None` if the provider is not down.
///
/// # Errors
/// When the database does not answer.
pub async fn probe(
    connection: &mut Connection,
    provider: &Provider,
    spread: Duration,
) -> Result<Option<i64>> {
    sqlx::query_file_scalar!("src/store/queue/outage_probe.sql", provider.to_string(), spread.as_secs_f64())
        .fetch_one(connection)
        .await
}

/// Makes the next probe due now, of the providers that hold back the job of a run.
///
/// # Errors
/// When the database does not answer.
pub async fn probe_now(connection: &mut Connection, run_id: Uuid) -> Result<()> {
    sqlx::query!(
        "update outage set next_probe_at = least(next_probe_at, clock_timestamp())
         where opened_at is not null
           and provider in (select unnest(array[delayed_by, delayed_beside]) from job where run_id = $1)",
        run_id
    )
    .execute(connection)
    .await
    .map(|_| ())
}
