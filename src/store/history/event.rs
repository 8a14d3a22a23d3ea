//! A run's history: appended, never changed.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use crate::core::run::Event;
use crate::store::{
    Connection, Error, Pool, Result,
    blob::{self, Place},
    job::{Lease, signed},
};

/// One fact of a run's history.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its place in the history, from 1 and without gaps.
    pub seq: i32,
    /// When it happened, by the database's clock.
    pub at: DateTime<Utc>,
    /// Who made it so: a worker's name, `webhook`, `clock`, or a caller.
    pub actor: String,
    /// The step that the run was at.
    pub step: Option<String>,
    /// The event's name.
    pub kind: String,
    /// The event.
    pub body: Json<Event>,
}

/// An event to be appended.
#[derive(Debug)]
pub struct New<'a> {
    /// The run.
    pub run: Uuid,
    /// Its place in the history.
    pub seq: i32,
    /// The moment that it was applied with, so that folding the history gives the stored run to the
    /// microsecond.
    pub at: DateTime<Utc>,
    /// Who made it so.
    pub actor: &'a str,
    /// The step that the run was at before.
    pub step: Option<&'a str>,
    /// The event.
    pub event: &'a Event,
    /// The attempt that brought it, if one did.
    pub lease: Option<&'a Lease>,
}

/// Appends an event.
///
/// # Errors
/// A unique violation when the place in the history is taken.
pub async fn append(connection: &mut Connection, new: New<'_>) -> Result<()> {
    let body = serde_json::to_value(new.event).map_err(|error| Error::Encode(Box::new(error)))?;
    let parts = blob::part(&body);
    blob::keep(&mut *connection, new.run, Place::Event, &parts).await?;
    sqlx::query!(
        "insert into event (run_id, seq, at, actor, step, kind, body, attempt, began_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.run,
        new.seq,
        new.at,
        new.actor,
        new.step,
        new.event.as_str(),
        parts.document,
        new.lease.map(|lease| signed(lease.attempt)),
        new.lease.map(|lease| lease.began_at)
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The newest event of a run.
///
/// # Errors
/// When the database does not answer, or the run does not exist.
pub async fn last(connection: &mut Connection, run_id: Uuid) -> Result<Row> {
    sqlx::query_as!(
        Row,
        r#"select seq, at, actor, step, kind, body as "body: Json<Event>"
           from event where run_id = $1 order by seq desc limit 1"#,
        run_id
    )
    .fetch_one(connection)
    .await
}

/// The events after `seq`, in order, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn after(pool: &Pool, run_id: Uuid, seq: i32, limit: i64) -> Result<Vec<Row>> {
    let mut rows = sqlx::query_as!(
        Record,
        "select seq, at, actor, step, kind, body
         from event where run_id = $1 and seq > $2 order by seq limit $3",
        run_id,
        seq,
        limit
    )
    .fetch_all(pool)
    .await?;
    blob::fill(pool, rows.iter_mut().map(|row| &mut row.body).collect()).await?;
    let row = |row| {
        let Record { seq, at, actor, step, kind, body } = row;
        let body = serde_json::from_value(body).map_err(|error| Error::Decode(Box::new(error)))?;
        Ok(Row { seq, at, actor, step, kind, body: Json(body) })
    };
    rows.into_iter().map(row).collect()
}

struct Record {
    seq: i32,
    at: DateTime<Utc>,
    actor: String,
    step: Option<String>,
    kind: String,
    body: Value,
}
