//! Deliveries: each notice to each place once, attempted until the place has it or a day is over.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use crate::core::notice::Content;
use crate::store::{Connection, Pool, Result};

/// A delivery, claimed: for half a minute no other attempt reaches its target.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its id, which the message carries in every attempt.
    pub id: Uuid,
    /// The subscription.
    pub subscription: Uuid,
    /// How many attempts there were, this one included.
    pub attempts: i32,
    /// For how long it has been owed, in seconds, by the database's clock.
    pub age_s: f64,
    /// `webhook`, `slack` or `email`.
    pub target: String,
    /// The whole address.
    pub address: String,
    /// What webhooks are signed with.
    pub secret: Option<Vec<u8>>,
    /// What the notice says.
    pub content: Json<Content>,
    /// The database's clock.
    pub now: DateTime<Utc>,
}

/// How an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed<'a> {
    /// What went wrong.
    pub error: &'a str,
    /// The status that the target answered, if it answered.
    pub status: Option<u16>,
}

/// A delivery as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// The run.
    pub run_id: Option<Uuid>,
    /// What it says.
    pub content: Json<Content>,
    /// `due`, `delivered` or `dead`.
    pub state: String,
    /// When the next attempt is due.
    pub due_at: DateTime<Utc>,
    /// Since when it is owed.
    pub owed_at: DateTime<Utc>,
    /// How many attempts there were.
    pub attempts: i32,
    /// The status that the target answered last.
    pub status: Option<i32>,
    /// What went wrong last.
    pub error: Option<String>,
    /// When it was delivered or given up.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Owes a notice to a place, unless the place is owed it already or has it.
///
/// # Errors
/// When the database does not answer.
pub async fn owe(
    connection: &mut Connection,
    notice: Uuid,
    run: Option<Uuid>,
    subscription: Uuid,
    reaches: &str,
) -> Result<bool> {
    let added = sqlx::query!(
        "insert into delivery (id, run_id, notice, subscription, reaches) values ($1, $2, $3, $4, $5)
         on conflict (notice, reaches) do nothing",
        Uuid::now_v7(),
        run,
        notice,
        subscription,
        reaches
    )
    .execute(connection)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Claims the delivery that is due longest, of a subscription to which nothing is being delivered.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(pool: &Pool) -> Result<Option<Claimed>> {
    sqlx::query_file_as!(Claimed, "src/store/history/delivery_claim.sql").fetch_optional(pool).await
}

/// The place has it.
///
/// # Errors
/// When the database does not answer; it is then delivered again, with the same id.
pub async fn delivered(pool: &Pool, claimed: &Claimed, status: Option<u16>) -> Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query!(
        "update delivery set state = 'delivered', ended_at = now(), status = $3, error = null
         where id = $1 and attempts = $2",
        claimed.id,
        claimed.attempts,
        status.map(i32::from)
    )
    .execute(&mut *tx)
    .await?;
    free(&mut tx, claimed, None).await?;
    tx.commit().await
}

/// Another attempt is due after `wait`; until `quiet` is over, nothing else is sent there either.
///
/// # Errors
/// When the database does not answer; it is then claimed again.
pub async fn postpone(
    pool: &Pool,
    claimed: &Claimed,
    (wait, quiet): (Duration, Duration),
    failed: &Failed<'_>,
) -> Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query!(
        "update delivery set due_at = now() + make_interval(secs => $3), status = $4, error = $5
         where id = $1 and attempts = $2 and state = 'due'",
        claimed.id,
        claimed.attempts,
        wait.as_secs_f64(),
        failed.status.map(i32::from),
        failed.error
    )
    .execute(&mut *tx)
    .await?;
    free(&mut tx, claimed, Some(quiet)).await?;
    tx.commit().await
}

/// Makes a delivery a dead letter; if its target is gone for good, all that is due there.
///
/// # Errors
/// When the database does not answer; it is then claimed again.
pub async fn give_up(pool: &Pool, claimed: &Claimed, failed: &Failed<'_>, is_gone: bool) -> Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query!(
        "update delivery set state = 'dead', ended_at = now(), status = $3, error = $4
         where id = $1 and attempts = $2 and state = 'due'",
        claimed.id,
        claimed.attempts,
        failed.status.map(i32::from),
        failed.error
    )
    .execute(&mut *tx)
    .await?;
    if is_gone {
        sqlx::query!(
            "update subscription set gone_at = coalesce(gone_at, now()) where id = $1",
            claimed.subscription
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "update delivery set state = 'dead', ended_at = now(), error = $2 where subscription = $1 and state = 'due'",
            claimed.subscription,
            failed.error
        )
        .execute(&mut *tx)
        .await?;
    }
    free(&mut tx, claimed, None).await?;
    tx.commit().await
}

/// Frees the subscription for its next delivery.
async fn free(connection: &mut Connection, claimed: &Claimed, quiet: Option<Duration>) -> Result<()> {
    sqlx::query!(
        "update subscription
         set busy_until = null, busy_with = null, quiet_until = now() + make_interval(secs => $3)
         where id = $1 and busy_with = $2",
        claimed.subscription,
        claimed.id,
        quiet.map(|quiet| quiet.as_secs_f64())
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The deliveries of a subscription, newest first, at most `limit`; `before` is the last id of the page before.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    pool: &Pool,
    subscription: Uuid,
    state: Option<&str>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select d.id, d.run_id, n.content as "content: Json<Content>", d.state, d.due_at, d.owed_at, d.attempts,
                  d.status, d.error, d.ended_at
           from delivery d join notice n on n.id = d.notice
           where d.subscription = $1 and ($2::text is null or d.state = $2) and ($3::uuid is null or d.id < $3)
           order by d.id desc limit $4"#,
        subscription,
        state,
        before,
        limit
    )
    .fetch_all(pool)
    .await
}

/// Owes the dead letters of a subscription again: these, or all of them. Returns how many.
///
/// # Errors
/// When the database does not answer.
pub async fn replay(connection: &mut Connection, subscription: Uuid, ids: Option<&[Uuid]>) -> Result<u64> {
    let done = sqlx::query!(
        "update delivery set state = 'due', due_at = now(), owed_at = now(), attempts = 0, ended_at = null
         where subscription = $1 and state = 'dead' and ($2::uuid[] is null or id = any ($2))",
        subscription,
        ids
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
