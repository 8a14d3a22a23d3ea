//! What counts afterwards: whole histories, to be folded again, and what is left over.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Pool, Result};
use crate::core::run::{Event, Run};

/// A run and everything that happened to it.
#[derive(Debug)]
pub struct History {
    /// The run.
    pub id: Uuid,
    /// How many events it claims to have.
    pub version: i32,
    /// The folded history, as stored.
    pub state: Json<Run>,
    /// The places of its events, in order.
    pub seqs: Vec<i32>,
    /// When each happened.
    pub ats: Vec<DateTime<Utc>>,
    /// The events.
    pub events: Vec<Json<Event>>,
}

/// The histories of these runs, in no order; one that is not there is left out.
///
/// # Errors
/// When the database does not answer, or holds an event that this release cannot read.
pub async fn histories(pool: &Pool, runs: &[Uuid]) -> Result<Vec<History>> {
    sqlx::query_as!(
        History,
        r#"select run.id, run.version, run.state as "state: Json<Run>",
                  past.seqs as "seqs!", past.ats as "ats!", past.events as "events!: Vec<Json<Event>>"
           from run, lateral (
               select array_agg(seq order by seq) as seqs, array_agg(at order by seq) as ats,
                      array_agg(body order by seq) as events
               from event where run_id = run.id having count(*) > 0
           ) past
           where run.id = any ($1)"#,
        runs
    )
    .fetch_all(pool)
    .await
}

/// Whether any job is left, due or not.
///
/// # Errors
/// When the database does not answer.
pub async fn has_jobs(pool: &Pool) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from job) as "any!""#).fetch_one(pool).await
}

/// How many requirements there are, each with exactly one run that has a job.
///
/// # Errors
/// When the database does not answer.
pub async fn queued_requirements(pool: &Pool) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!"
           from requirement join run on run.requirement_id = requirement.id join job on job.run_id = run.id"#
    )
    .fetch_one(pool)
    .await
}
