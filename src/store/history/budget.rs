//! Budgets: limits, and what model calls reserve and have used of them.
//!
//! The maximum of a call is reserved before it is made, and settled at what it used after it. A call that was cut off
//! stays reserved, for it may have been charged: until a later attempt at the same call shows its usage (then the
//! earlier ones are assumed to have used as much), until it is answered late, or until a person releases it as not
//! charged.
//!
//! The totals are rows of `budget_use`, changed in the transaction that changes the reservation. They are locked in one
//! order (run, product, day), so that two workers can neither both take the last money nor deadlock.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::core::budget::{Account, Amount, Estimate, Exceeded, LIMIT_MOST, Limits, Scope, Used};
use crate::store::{
    Connection, Pool, Result,
    job::{Lease, signed},
};

/// The key, among the runs', of the limits of each run that has none of its own.
pub const EVERY_RUN: &str = "default";

/// A reservation that is not settled.
#[derive(Debug, Clone)]
pub struct OpenReservation {
    /// The key of the call's effect.
    pub effect_key: String,
    /// The number of the job in its run.
    pub turn: i32,
    /// The attempt, from 1.
    pub attempt: i32,
    /// The maximum of tokens that it can have used.
    pub tokens: i64,
    /// The maximum that it can have cost; 0 where no prices were known.
    pub micro_dollars: i64,
    /// When it was reserved.
    pub reserved_at: DateTime<Utc>,
    /// Whether the attempt is still running.
    pub in_flight: bool,
}

/// A run whose next call did not fit its budgets.
#[derive(Debug, Clone)]
pub struct UnfundedRun {
    /// The run.
    pub run_id: Uuid,
    /// Its product.
    pub product: String,
    /// The estimate of its next call.
    pub estimate: Estimate,
    /// Whether it is still paused for it; otherwise it was resumed, but has not reserved the call yet.
    pub is_paused: bool,
    /// The accounts of the call.
    pub accounts: Vec<Account>,
}

impl UnfundedRun {
    /// Whether a change of the limits of this key, a run's id or a product's name, concerns it.
    #[must_use]
    pub fn concerns(&self, key: &str) -> bool {
        self.product == key || self.run_id.to_string() == key
    }
}

/// The limits of a scope as they are now; none where nothing was set.
///
/// # Errors
/// When the database does not answer.
pub async fn limits_of(connection: &mut Connection, scope: Scope, key: &str) -> Result<Limits> {
    let row = sqlx::query!(
        "select tokens, micro_dollars from budget where scope = $1 and key = $2",
        scope.as_str(),
        key
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map_or_else(Limits::default, |row| limits(row.tokens, row.micro_dollars)))
}

/// The last change of the limits of a scope.
#[derive(Debug, Clone)]
pub struct Change {
    /// Why.
    pub reason: String,
    /// Who.
    pub updated_by: String,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// Reserves the maximum of a call, in the caller's transaction. Repeated by the same attempt it reserves nothing more.
///
/// After [`Exceeded`] the transaction must be rolled back.
///
/// # Errors
/// When the database does not answer; the call must then not be made.
pub async fn reserve(
    tx: &mut Connection,
    lease: &Lease,
    product: &str,
    key: &str,
    estimate: Estimate,
) -> Result<std::result::Result<(), Exceeded>> {
    let (tokens, micro_dollars) = (to_db(estimate.tokens), to_db(estimate.micro_dollars.unwrap_or(0)));
    // An attempt that a limit or an outage held back has the same number as the next one, and used nothing.
    sqlx::query!(
        "delete from reservation
         where run_id = $1 and effect_key = $2 and turn = $3 and attempt = $4
           and settled_tokens = 0 and settled_micro_dollars = 0",
        lease.run,
        key,
        signed(lease.turn),
        signed(lease.attempt)
    )
    .execute(&mut *tx)
    .await?;
    let day = sqlx::query_scalar!(
        "insert into reservation (run_id, effect_key, turn, attempt, product, day, tokens, micro_dollars)
         values ($1, $2, $3, $4, $5, (now() at time zone 'utc')::date, $6, $7)
         on conflict do nothing returning day",
        lease.run,
        key,
        signed(lease.turn),
        signed(lease.attempt),
        product,
        tokens,
        micro_dollars
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(day) = day else { return Ok(Ok(())) };
    sqlx::query_file!("src/store/history/budget_hold.sql", lease.run, product, day, tokens, micro_dollars)
        .execute(&mut *tx)
        .await?;
    let mut accounts = accounts_on(&mut *tx, Some(lease.run), product, Some(day)).await?;
    for account in &mut accounts {
        let held = &mut account.used.reserved;
        held.tokens = held.tokens.saturating_sub(from_db(tokens));
        held.micro_dollars = held.micro_dollars.saturating_sub(from_db(micro_dollars));
    }
    if let Err(exceeded) = Account::admit_all(&accounts, estimate) {
        return Ok(Err(exceeded));
    }
    sqlx::query!("delete from budget_want where run_id = $1", lease.run).execute(tx).await?;
    Ok(Ok(()))
}

/// Settles an attempt's call at what it used; repeated it changes nothing. Earlier attempts at the same call that are
/// still reserved are settled at what they are `assumed` to have used, if that is known.
///
/// # Errors
/// When the database does not answer; the call then stays reserved.
pub async fn settle(
    tx: &mut Connection,
    lease: &Lease,
    key: &str,
    used: Amount,
    assumed: Option<Amount>,
) -> Result<()> {
    lock(tx, lease.run, Some(key)).await?;
    close(tx, lease.run, key, (signed(lease.turn), signed(lease.attempt)), used, "known", None).await?;
    let Some(assumed) = assumed else { return Ok(()) };
    let earlier = sqlx::query!(
        "select turn, attempt from reservation
         where run_id = $1 and effect_key = $2 and settled_at is null and (turn, attempt) < ($3, $4)
         order by turn, attempt",
        lease.run,
        key,
        signed(lease.turn),
        signed(lease.attempt)
    )
    .fetch_all(&mut *tx)
    .await?;
    for row in earlier {
        close(tx, lease.run, key, (row.turn, row.attempt), assumed, "assumed", None).await?;
    }
    Ok(())
}

/// Releases the reservations of calls that were cut off, because a person says that they were not charged. Those of
/// running calls stay. How many were released.
///
/// # Errors
/// When the database does not answer.
pub async fn release(tx: &mut Connection, run_id: Uuid, note: &str) -> Result<u32> {
    lock(tx, run_id, None).await?;
    let open = sqlx::query_file_as!(OpenReservation, "src/store/history/budget_open.sql", run_id)
        .fetch_all(&mut *tx)
        .await?;
    let mut released = 0;
    for row in open.into_iter().filter(|row| !row.in_flight) {
        let attempt = (row.turn, row.attempt);
        close(tx, run_id, &row.effect_key, attempt, Amount::default(), "released", Some(note)).await?;
        released += 1;
    }
    Ok(released)
}

/// Reservations are locked before totals, so that two transactions that close several cannot deadlock.
async fn lock(tx: &mut Connection, run_id: Uuid, key: Option<&str>) -> Result<()> {
    sqlx::query_scalar!(
        r#"select 1 as "one!" from reservation
           where run_id = $1 and ($2::text is null or effect_key = $2)
             and (settled_at is null or settled_as <> 'known')
           order by effect_key, turn, attempt for update"#,
        run_id,
        key
    )
    .fetch_all(tx)
    .await
    .map(|_| ())
}

async fn close(
    tx: &mut Connection,
    run_id: Uuid,
    key: &str,
    (turn, attempt): (i32, i32),
    used: Amount,
    how: &str,
    note: Option<&str>,
) -> Result<()> {
    let closed = sqlx::query_file!(
        "src/store/history/budget_close.sql",
        run_id,
        key,
        turn,
        attempt,
        to_db(used.tokens),
        to_db(used.micro_dollars),
        how,
        note
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = closed else { return Ok(()) };
    sqlx::query_file!("src/store/history/budget_use_lock.sql", run_id, row.product, row.day)
        .fetch_all(&mut *tx)
        .await?;
    sqlx::query_file!(
        "src/store/history/budget_use_move.sql",
        run_id,
        row.product,
        row.day,
        row.freed_tokens,
        row.freed_micro_dollars,
        row.tokens,
        row.micro_dollars
    )
    .execute(tx)
    .await
    .map(|_| ())
}

/// The accounts of a call of this run today: the run's, its product's and the day's.
///
/// # Errors
/// When the database does not answer.
pub async fn accounts(
    executor: impl sqlx::PgExecutor<'_>,
    run_id: Uuid,
    product: &str,
) -> Result<Vec<Account>> {
    accounts_on(executor, Some(run_id), product, None).await
}

/// The accounts of a product: for all time, and for today.
///
/// # Errors
/// When the database does not answer.
pub async fn of_product(executor: impl sqlx::PgExecutor<'_>, product: &str) -> Result<Vec<Account>> {
    accounts_on(executor, None, product, None).await
}

async fn accounts_on(
    executor: impl sqlx::PgExecutor<'_>,
    run_id: Option<Uuid>,
    product: &str,
    day: Option<NaiveDate>,
) -> Result<Vec<Account>> {
    let rows = sqlx::query_file!("src/store/history/budget_accounts.sql", run_id, product, day)
        .fetch_all(executor)
        .await?;
    let accounts = rows.into_iter().map(|row| Account {
        scope: scope(&row.scope),
        limits: limits(row.tokens, row.micro_dollars),
        used: Used {
            reserved: amount(row.reserved_tokens, row.reserved_micro_dollars),
            settled: amount(row.settled_tokens, row.settled_micro_dollars),
        },
    });
    Ok(accounts.collect())
}

/// Sets the limits of a scope; `key` is a run's id or a product's name.
///
/// # Errors
/// When the database does not answer.
pub async fn set(
    tx: &mut Connection,
    scope: Scope,
    key: &str,
    limits: Limits,
    reason: &str,
    actor: &str,
) -> Result<()> {
    sqlx::query!(
        "insert into budget (scope, key, tokens, micro_dollars, reason, updated_by)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (scope, key) do update
         set tokens = excluded.tokens, micro_dollars = excluded.micro_dollars, reason = excluded.reason,
             updated_by = excluded.updated_by, updated_at = now()",
        scope.as_str(),
        key,
        limits.tokens.map(to_db),
        limits.micro_dollars.map(to_db),
        reason,
        actor
    )
    .execute(tx)
    .await
    .map(|_| ())
}

/// The last change of the limits of a scope.
///
/// # Errors
/// When the database does not answer.
pub async fn last_change(pool: &Pool, scope: Scope, key: &str) -> Result<Option<Change>> {
    sqlx::query_as!(
        Change,
        "select reason, updated_by, updated_at from budget where scope = $1 and key = $2",
        scope.as_str(),
        key
    )
    .fetch_optional(pool)
    .await
}

/// The reservations of a run whose cost is not known, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn open_reservations(pool: &Pool, run_id: Uuid) -> Result<Vec<OpenReservation>> {
    sqlx::query_file_as!(OpenReservation, "src/store/history/budget_open.sql", run_id).fetch_all(pool).await
}

/// Stores the estimate of a call that was refused, so that the run can be resumed when it fits.
///
/// # Errors
/// When the database does not answer.
pub async fn record_refusal(pool: &Pool, run_id: Uuid, product: &str, estimate: Estimate) -> Result<()> {
    sqlx::query!(
        "insert into budget_want (run_id, product, tokens, micro_dollars) values ($1, $2, $3, $4)
         on conflict (run_id) do update
         set tokens = excluded.tokens, micro_dollars = excluded.micro_dollars, since = now()",
        run_id,
        product,
        to_db(estimate.tokens),
        estimate.micro_dollars.map(to_db)
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// The runs whose next call did not fit, by priority and then by how long they have waited; at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn unfunded_runs(pool: &Pool, limit: i64) -> Result<Vec<UnfundedRun>> {
    let mut all: Vec<UnfundedRun> = Vec::new();
    for row in sqlx::query_file!("src/store/history/budget_wanting.sql", limit).fetch_all(pool).await? {
        let account = Account {
            scope: scope(&row.scope),
            limits: limits(row.limit_tokens, row.limit_micro_dollars),
            used: Used {
                reserved: amount(row.reserved_tokens, row.reserved_micro_dollars),
                settled: amount(row.settled_tokens, row.settled_micro_dollars),
            },
        };
        // The rows of a run are adjacent.
        if let Some(last) = all.last_mut().filter(|last| last.run_id == row.run_id) {
            last.accounts.push(account);
            continue;
        }
        let estimate =
            Estimate { tokens: from_db(row.tokens), micro_dollars: row.micro_dollars.map(from_db) };
        let (run_id, product, is_paused) = (row.run_id, row.product, row.is_paused);
        all.push(UnfundedRun { run_id, product, estimate, is_paused, accounts: vec![account] });
    }
    Ok(all)
}

fn scope(name: &str) -> Scope {
    match name {
        "run" => Scope::Run,
        "product" => Scope::Product,
        _ => Scope::ProductDay,
    }
}

fn limits(tokens: Option<i64>, micro_dollars: Option<i64>) -> Limits {
    Limits { tokens: tokens.map(from_db), micro_dollars: micro_dollars.map(from_db) }
}

const fn amount(tokens: i64, micro_dollars: i64) -> Amount {
    Amount { tokens: from_db(tokens), micro_dollars: from_db(micro_dollars) }
}

/// Capped at the highest limit, which no call reaches, so that sums do not overflow.
fn to_db(count: u64) -> i64 {
    i64::try_from(count.min(LIMIT_MOST)).unwrap_or(i64::MAX)
}

const fn from_db(count: i64) -> u64 {
    if count < 0 { 0 } else { count.unsigned_abs() }
}

/// What the model calls of these runs cost, in micro-dollars, by the runs' ids as text; runs without calls are left out.
///
/// # Errors
/// When the database does not answer.
pub async fn spent_of_runs(
    executor: impl sqlx::PgExecutor<'_>,
    runs: &[String],
) -> Result<std::collections::HashMap<String, i64>> {
    let rows = sqlx::query!(
        "select key, settled_micro_dollars from budget_use where scope = 'run' and key = any ($1)",
        runs
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (row.key, row.settled_micro_dollars)).collect())
}
