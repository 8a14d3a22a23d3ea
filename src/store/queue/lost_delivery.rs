//! Webhooks that the forge could not deliver, and the readings of its list of deliveries.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    core::redelivery::{Attempt, MOST_REQUESTS, Sorted},
    store::{Pool, Result},
};

/// How long a lost delivery is remembered: longer than any forge lists it (7 days), so that none is noticed twice.
const KEPT: Duration = Duration::from_secs(8 * 24 * 3600);

/// A reading that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// When it began, by the database's clock.
    pub began_at: DateTime<Utc>,
    /// When the last complete reading began; `None` before the first.
    pub last: Option<DateTime<Utc>>,
}

/// A delivery that the forge is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// What all its attempts share.
    pub guid: String,
    /// The forge's number of the attempt to repeat.
    pub attempt: i64,
    /// How often it was asked for.
    pub asked: i32,
}

/// Claims the reading that is due; the next one is due after `period`. `None` when none is due, or another process makes it.
///
/// # Errors
/// When the database does not answer.
pub async fn claim_reading(pool: &Pool, period: Duration) -> Result<Option<Reading>> {
    sqlx::query_as!(
        Reading,
        r#"update delivery_reading set due_at = now() + make_interval(secs => $1) where due_at <= now()
           returning now() as "began_at!", read_at as last"#,
        period.as_secs_f64()
    )
    .fetch_optional(pool)
    .await
}

/// Records what a reading found, and that it was complete.
///
/// # Errors
/// When the database does not answer; nothing is recorded then.
pub async fn record_reading(pool: &Pool, reading: &Reading, found: &Sorted) -> Result<()> {
    let mut tx = pool.begin().await?;
    let guids: Vec<String> = found.lost.iter().map(|lost| lost.guid.clone()).collect();
    let attempts: Vec<i64> = found.lost.iter().map(number).collect();
    sqlx::query!(
        "insert into lost_delivery (guid, attempt)
         select * from unnest($1::text[], $2::bigint[])
         on conflict (guid) do update set attempt = greatest(lost_delivery.attempt, excluded.attempt)",
        &guids,
        &attempts
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "delete from lost_delivery
         where guid = any($1) or noticed_at < now() - make_interval(secs => $2)",
        &found.settled,
        KEPT.as_secs_f64()
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("update delivery_reading set read_at = $1", reading.began_at).execute(&mut *tx).await?;
    tx.commit().await
}

fn number(attempt: &Attempt) -> i64 {
    i64::try_from(attempt.number).unwrap_or(i64::MAX)
}

/// The lost deliveries that the forge is to be asked for now, the longest due first, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn due(pool: &Pool, limit: i64) -> Result<Vec<Lost>> {
    sqlx::query_as!(
        Lost,
        "select guid, attempt, asked from lost_delivery where due_at <= now() and asked < $2
         order by due_at limit $1",
        limit,
        most()
    )
    .fetch_all(pool)
    .await
}

/// Records that the forge was asked for a delivery, and how long to wait before it is asked again.
///
/// # Errors
/// When the database does not answer; it is then asked for once more than was recorded.
pub async fn asked(pool: &Pool, lost: &Lost, wait: Duration) -> Result<()> {
    sqlx::query!(
        "update lost_delivery set asked = asked + 1, due_at = now() + make_interval(secs => $2) where guid = $1",
        lost.guid,
        wait.as_secs_f64()
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Asks for a delivery no more, since the forge no longer has it.
///
/// # Errors
/// When the database does not answer.
pub async fn give_up(pool: &Pool, lost: &Lost) -> Result<()> {
    sqlx::query!("update lost_delivery set asked = $2 where guid = $1", lost.guid, most())
        .execute(pool)
        .await
        .map(|_| ())
}

fn most() -> i32 {
    i32::try_from(MOST_REQUESTS).unwrap_or(i32::MAX)
}
