//! Incidents: what went wrong with merged code.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// An incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The id.
    pub id: Uuid,
    /// The product that it happened to.
    pub product: String,
    /// Who told: `person`, `issue`, `sentry`, `sender` or `checks`.
    pub source: String,
    /// What the sender knows it by.
    pub key: String,
    /// What went wrong, in one line.
    pub title: String,
    /// What was told.
    pub body: String,
    /// Where it is told in full.
    pub url: Option<String>,
    /// When it happened.
    pub happened_at: DateTime<Utc>,
    /// When we learnt of it.
    pub recorded_at: DateTime<Utc>,
    /// The run whose merged change caused it, as far as that is known.
    pub run_id: Option<Uuid>,
    /// How that is known.
    pub blame: Option<Value>,
}

/// What there is to record of an incident.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// The product that it happened to.
    pub product: &'a str,
    /// Who told.
    pub source: &'a str,
    /// What the sender knows it by: 200 characters at most.
    pub key: &'a str,
    /// What went wrong: 300 characters at most.
    pub title: &'a str,
    /// What was told.
    pub body: &'a str,
    /// Where it is told in full.
    pub url: Option<&'a str>,
    /// When it happened; left out: now, by the database's clock.
    pub happened_at: Option<DateTime<Utc>>,
    /// The run whose merged change caused it, if that is known already, and how.
    pub blame: Option<(Uuid, &'a Value)>,
}

/// Records an incident, unless it is known by its key: the id, and whether it is new.
///
/// # Errors
/// When the database does not answer.
pub async fn record(connection: &mut Connection, new: New<'_>) -> Result<(Uuid, bool)> {
    let id = Uuid::now_v7();
    let inserted = sqlx::query_scalar!(
        "insert into incident (id, product, source, key, title, body, url, happened_at, run_id, blame)
         values ($1, $2, $3, $4, $5, $6, $7, coalesce($8, now()), $9, $10)
         on conflict (product, source, key) do nothing
         returning id",
        id,
        new.product,
        new.source,
        new.key,
        new.title,
        new.body,
        new.url,
        new.happened_at,
        new.blame.map(|(run, _)| run),
        new.blame.map(|(_, how)| how.clone()) as Option<Value>
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(id) = inserted {
        return Ok((id, true));
    }
    let known = sqlx::query_scalar!(
        "select id from incident where product = $1 and source = $2 and key = $3",
        new.product,
        new.source,
        new.key
    )
    .fetch_one(connection)
    .await?;
    Ok((known, false))
}

/// The incidents that the merged change of a run caused, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run: Uuid) -> Result<Vec<Row>> {
    sqlx::query_as!(Row, "select * from incident where run_id = $1 order by id desc limit 100", run)
        .fetch_all(pool)
        .await
}

/// Gives an incident another text, once more is known of it.
///
/// # Errors
/// When the database does not answer.
pub async fn retell(connection: &mut Connection, id: Uuid, title: &str, body: &str) -> Result<()> {
    sqlx::query!("update incident set title = $2, body = $3 where id = $1", id, title, body)
        .execute(connection)
        .await
        .map(|_| ())
}
