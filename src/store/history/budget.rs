//! Budgets: limits, and what model calls hold and have used of them.
//!
//! A call is reserved at the most that it can use before it is made, and settled at what it used after
//! it. One that was cut off in between stays reserved, for it may have been paid: until a later attempt
//! at the same call tells what such a call uses (then the earlier ones are assumed to have used as much),
//! until it is answered after all, or until a person says that it was not paid.
//!
//! Every sum is a row of `budget_use`, changed in the transaction that changes the reservation. Those
//! rows are locked in one order (run, product, day), so that two workers cannot both take the last money
//! and cannot wait for each other.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::core::budget::{Account, Amount, Estimate, Exceeded, LIMIT_MOST, Limits, Scope, Used};
use crate::store::{
    Connection, Pool, Result,
    job::{Lease, signed},
};

/// A reservation that is not settled.
#[derive(Debug, Clone)]
pub struct Open {
    /// The call, by its effect's key.
    pub effect_key: String,
    /// The job.
    pub turn: i32,
    /// The attempt, from 1.
    pub attempt: i32,
    /// The most that it can have used.
    pub tokens: i64,
    /// The most that it can have cost; 0 where no prices were known.
    pub micro_dollars: i64,
    /// Since when it is held.
    pub reserved_at: DateTime<Utc>,
    /// The attempt is still under way.
    pub in_flight: bool,
}

/// A run whose next call did not fit.
#[derive(Debug, Clone)]
pub struct Wanting {
    /// The run.
    pub run_id: Uuid,
    /// Its product.
    pub product: String,
    /// What its next call wants.
    pub estimate: Estimate,
    /// It is still paused for it; else it goes on, but has not reserved the call yet.
    pub is_paused: bool,
    /// What the call counts against.
    pub accounts: Vec<Account>,
}

impl Wanting {
    /// Whether a change of limits under this key, a run's id or a product's name, concerns it.
    #[must_use]
    pub fn concerns(&self, key: &str) -> bool {
        self.product == key || self.run_id.to_string() == key
    }
}

/// Who last set the limits of a scope, and why.
#[derive(Debug, Clone)]
pub struct Change {
    /// Why.
    pub reason: String,
    /// Who.
    pub updated_by: String,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// Holds the most that a call can use, in the caller's transaction. The same call in the same attempt is
/// held once, however often this is asked.
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
    let (tokens, micro_dollars) = (wide(estimate.tokens), wide(estimate.micro_dollars.unwrap_or(0)));
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
        held.tokens = held.tokens.saturating_sub(narrow(tokens));
        held.micro_dollars = held.micro_dollars.saturating_sub(narrow(micro_dollars));
    }
    if let Err(exceeded) = Account::admit_all(&accounts, estimate) {
        return Ok(Err(exceeded));
    }
    sqlx::query!("delete from budget_want where run_id = $1", lease.run).execute(tx).await?;
    Ok(Ok(()))
}

/// Settles an attempt's call at what it used; the second time nothing changes. With `tells`, earlier
/// attempts at the same call that are still held are assumed to have used as much.
///
/// # Errors
/// When the database does not answer; the call then stays held.
pub async fn settle(tx: &mut Connection, lease: &Lease, key: &str, used: Amount, tells: bool) -> Result<()> {
    lock(tx, lease.run, Some(key)).await?;
    close(tx, lease.run, key, (signed(lease.turn), signed(lease.attempt)), used, "known", None).await?;
    if !tells {
        return Ok(());
    }
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
        close(tx, lease.run, key, (row.turn, row.attempt), used, "assumed", None).await?;
    }
    Ok(())
}

/// Lets go of what a run holds for calls that were cut off, because a person says that they were not
/// paid; calls that are being made stay held. Tells how many were let go.
///
/// # Errors
/// When the database does not answer.
pub async fn release(tx: &mut Connection, run_id: Uuid, note: &str) -> Result<u32> {
    lock(tx, run_id, None).await?;
    let open =
        sqlx::query_file_as!(Open, "src/store/history/budget_open.sql", run_id).fetch_all(&mut *tx).await?;
    let mut released = 0;
    for row in open.into_iter().filter(|row| !row.in_flight) {
        let attempt = (row.turn, row.attempt);
        close(tx, run_id, &row.effect_key, attempt, Amount::default(), "released", Some(note)).await?;
        released += 1;
    }
    Ok(released)
}

/// Reservations are locked before totals, so that nobody who closes several waits for another who does.
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
        wide(used.tokens),
        wide(used.micro_dollars),
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

/// The accounts that a call of this run counts against today: the run's, its product's, the day's.
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
        limits.tokens.map(wide),
        limits.micro_dollars.map(wide),
        reason,
        actor
    )
    .execute(tx)
    .await
    .map(|_| ())
}

/// Who last set the limits of a scope, and why.
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

/// What a run holds for calls whose cost is not known, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn open(pool: &Pool, run_id: Uuid) -> Result<Vec<Open>> {
    sqlx::query_file_as!(Open, "src/store/history/budget_open.sql", run_id).fetch_all(pool).await
}

/// Remembers what a run wanted that was refused.
///
/// # Errors
/// When the database does not answer.
pub async fn want(pool: &Pool, run_id: Uuid, product: &str, estimate: Estimate) -> Result<()> {
    sqlx::query!(
        "insert into budget_want (run_id, product, tokens, micro_dollars) values ($1, $2, $3, $4)
         on conflict (run_id) do update
         set tokens = excluded.tokens, micro_dollars = excluded.micro_dollars, since = now()",
        run_id,
        product,
        wide(estimate.tokens),
        estimate.micro_dollars.map(wide)
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// The runs whose next call did not fit, the most urgent first, then those that have waited longest; at
/// most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn wanting(pool: &Pool, limit: i64) -> Result<Vec<Wanting>> {
    let mut all: Vec<Wanting> = Vec::new();
    for row in sqlx::query_file!("src/store/history/budget_wanting.sql", limit).fetch_all(pool).await? {
        let account = Account {
            scope: scope(&row.scope),
            limits: limits(row.limit_tokens, row.limit_micro_dollars),
            used: Used {
                reserved: amount(row.reserved_tokens, row.reserved_micro_dollars),
                settled: amount(row.settled_tokens, row.settled_micro_dollars),
            },
        };
        // The accounts of a run stand one after the other.
        if let Some(last) = all.last_mut().filter(|last| last.run_id == row.run_id) {
            last.accounts.push(account);
            continue;
        }
        let estimate = Estimate { tokens: narrow(row.tokens), micro_dollars: row.micro_dollars.map(narrow) };
        let (run_id, product, is_paused) = (row.run_id, row.product, row.is_paused);
        all.push(Wanting { run_id, product, estimate, is_paused, accounts: vec![account] });
    }
    Ok(all)
}

fn scope(word: &str) -> Scope {
    match word {
        "run" => Scope::Run,
        "product" => Scope::Product,
        _ => Scope::ProductDay,
    }
}

fn limits(tokens: Option<i64>, micro_dollars: Option<i64>) -> Limits {
    Limits { tokens: tokens.map(narrow), micro_dollars: micro_dollars.map(narrow) }
}

const fn amount(tokens: i64, micro_dollars: i64) -> Amount {
    Amount { tokens: narrow(tokens), micro_dollars: narrow(micro_dollars) }
}

/// No call uses as much as the highest limit; sums of what is capped there do not overflow.
fn wide(count: u64) -> i64 {
    i64::try_from(count.min(LIMIT_MOST)).unwrap_or(i64::MAX)
}

const fn narrow(count: i64) -> u64 {
    if count < 0 { 0 } else { count.unsigned_abs() }
}
