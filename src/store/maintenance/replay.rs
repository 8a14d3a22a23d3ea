//! What counts afterwards: whole histories, to be folded again, and what is left over.

use chrono::{DateTime, Utc};
use serde::Deserialize as _;
use serde_json::Value;
use uuid::Uuid;

use crate::core::{
    run::{Event, Run},
    workflow::Workflow,
};
use crate::store::{Pool, Result};

/// A run and everything that happened to it.
#[derive(Debug)]
pub struct History {
    /// The run.
    pub id: Uuid,
    /// The graph it follows, by hash.
    pub workflow_hash: String,
    /// How many events it claims to have.
    pub version: i32,
    /// The folded history, as stored.
    pub state: Value,
    /// The places of its events, in order.
    pub seqs: Vec<i32>,
    /// When each happened.
    pub ats: Vec<DateTime<Utc>>,
    /// The events.
    pub events: Vec<Value>,
}

impl History {
    /// The events, or why this release cannot read one of them.
    ///
    /// # Errors
    /// With the place of the event that cannot be read.
    pub fn read(&self) -> std::result::Result<Vec<Event>, String> {
        let read = |(seq, body): (&i32, &Value)| {
            Event::deserialize(body).map_err(|error| format!("event {seq} cannot be read: {error}"))
        };
        self.seqs.iter().zip(&self.events).map(read).collect()
    }

    /// Folds these events of its own, and compares: why that does not give the run as it is stored.
    #[must_use]
    pub fn differs(&self, workflow: &Workflow, events: &[Event]) -> Option<String> {
        let run = match Run::replay(workflow, events.iter().zip(self.ats.iter().copied())) {
            Ok(run) => run,
            Err(refused) => return Some(format!("its history cannot be folded: {refused}")),
        };
        let same = Run::deserialize(&self.state).is_ok_and(|stored| stored == run);
        (!same).then(|| "its history gives another state".to_owned())
    }
}

/// The histories of these runs, in no order; one that is not there is left out.
///
/// # Errors
/// When the database does not answer.
pub async fn histories(pool: &Pool, runs: &[Uuid]) -> Result<Vec<History>> {
    sqlx::query_as!(
        History,
        r#"select run.id, run.workflow_hash, run.version, run.state,
                  past.seqs as "seqs!", past.ats as "ats!", past.events as "events!"
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

/// The next runs by their ids, at most `limit`, after one of them or from the first.
///
/// # Errors
/// When the database does not answer.
pub async fn runs_after(pool: &Pool, after: Option<Uuid>, limit: i64) -> Result<Vec<Uuid>> {
    let after = after.unwrap_or_default();
    sqlx::query_scalar!("select id from run where id > $1 order by id limit $2", after, limit)
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
