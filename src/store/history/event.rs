//! The history of a run, which is append-only.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use crate::core::run::Event;
use crate::store::{
    Connection, Error, Pool, Result,
    blob::{self, Referrer},
    job::{Lease, signed},
};

/// An event of a run.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its number in the history, from 1 without gaps.
    pub seq: i32,
    /// When it happened, by the database's clock.
    pub at: DateTime<Utc>,
    /// Who caused it: a worker's name, `webhook`, `clock`, or a caller.
    pub actor: String,
    /// The step that the run was at.
    pub step: Option<String>,
    /// The event's kind.
    pub kind: String,
    /// The event.
    pub body: Json<Event>,
}

/// An event to be appended.
#[derive(Debug)]
pub struct New<'a> {
    /// The run.
    pub run: Uuid,
    /// Its number in the history.
    pub seq: i32,
    /// The time with which it was applied, so that folding the history gives the stored run to the microsecond.
    pub at: DateTime<Utc>,
    /// Who caused it.
    pub actor: &'a str,
    /// The step that the run was at before the event.
    pub step: Option<&'a str>,
    /// The event.
    pub event: &'a Event,
    /// The lease of the attempt that caused it, if one did.
    pub lease: Option<&'a Lease>,
}

/// Appends an event.
///
/// # Errors
/// A unique violation when the number is already used.
pub async fn append(connection: &mut Connection, new: New<'_>) -> Result<()> {
    let body = serde_json::to_value(new.event).map_err(|error| Error::Encode(Box::new(error)))?;
    let extracted = blob::extract(&body);
    blob::insert(&mut *connection, new.run, Referrer::Event, &extracted).await?;
    sqlx::query!(
        "insert into event (run_id, seq, at, actor, step, kind, body, attempt, began_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.run,
        new.seq,
        new.at,
        new.actor,
        new.step,
        new.event.as_str(),
        extracted.document,
        new.lease.map(|lease| signed(lease.attempt)),
        new.lease.map(|lease| lease.began_at)
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The newest event that moved a run; what people do beside its way does not.
///
/// # Errors
/// When the database does not answer, or the run does not exist.
pub async fn last(connection: &mut Connection, run_id: Uuid) -> Result<Row> {
    sqlx::query_as!(
        Row,
        r#"select seq, at, actor, step, kind, body as "body: Json<Event>"
           from event
           where run_id = $1 and kind not in ('not_permitted', 'finding_dismissed', 'opinion_given', 'pull_changed',
                                               'asked', 'question_answered', 'amended', 'consent_asked',
                                               'consent_given', 'evidence_recorded', 'base_checked')
           order by seq desc limit 1"#,
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
    blob::restore(pool, rows.iter_mut().map(|row| &mut row.body).collect()).await?;
    let row = |row| {
        let Record { seq, at, actor, step, kind, body } = row;
        let body = serde_json::from_value(body).map_err(|error| Error::Decode(Box::new(error)))?;
        Ok(Row { seq, at, actor, step, kind, body: Json(body) })
    };
    rows.into_iter().map(row).collect()
}

/// Where a run began, and where each of its last moves led, oldest first, at most `limit`; `None` is the place where the
/// run is now. Whatever leaves a step is a move; a wait is none.
///
/// # Errors
/// When the database does not answer.
pub async fn trail(pool: &Pool, run_id: Uuid, limit: i64) -> Result<Vec<Option<String>>> {
    let mut trail = sqlx::query_scalar!(
        "select next from (
             select seq, kind, lead(step) over (order by seq) as next from event where run_id = $1
         ) as move
         where kind in ('answered', 'exhausted', 'stranded', 'skipped', 'retried_from', 'cancelled')
         order by seq desc limit $2",
        run_id,
        limit
    )
    .fetch_all(pool)
    .await?;
    if i64::try_from(trail.len()).is_ok_and(|moves| moves < limit) {
        let first = sqlx::query_scalar!("select step from event where run_id = $1 and seq = 1", run_id);
        trail.extend(first.fetch_optional(pool).await?);
    }
    trail.reverse();
    Ok(trail)
}

struct Record {
    seq: i32,
    at: DateTime<Utc>,
    actor: String,
    step: Option<String>,
    kind: String,
    body: Value,
}
