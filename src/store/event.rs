//! A run's history: appended, never changed.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Connection, Pool, Result};
use crate::core::run::Event;

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

/// Appends an event. `at` is the moment that it was applied with, so that folding the history gives
/// the stored run to the microsecond.
///
/// # Errors
/// A unique violation when the place in the history is taken.
pub async fn append(
    connection: &mut Connection,
    run_id: Uuid,
    seq: i32,
    at: DateTime<Utc>,
    actor: &str,
    step: Option<&str>,
    event: &Event,
) -> Result<()> {
    sqlx::query!(
        "insert into event (run_id, seq, at, actor, step, kind, body) values ($1, $2, $3, $4, $5, $6, $7)",
        run_id,
        seq,
        at,
        actor,
        step,
        event.word(),
        Json(event) as _
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
    sqlx::query_as!(
        Row,
        r#"select seq, at, actor, step, kind, body as "body: Json<Event>"
           from event where run_id = $1 and seq > $2 order by seq limit $3"#,
        run_id,
        seq,
        limit
    )
    .fetch_all(pool)
    .await
}
