//! Whole histories to be folded again, and counts for tests and benchmarks.

use chrono::{DateTime, Utc};
use serde::Deserialize as _;
use serde_json::Value;
use uuid::Uuid;

use crate::core::{
    run::{Event, Run},
    workflow::Workflow,
};
use crate::store::{Pool, Result};

/// A run and its events.
#[derive(Debug)]
pub struct History {
    /// The run.
    pub id: Uuid,
    /// The hash of its workflow.
    pub workflow_hash: String,
    /// How many events the run says it has.
    pub version: i32,
    /// The stored state.
    pub state: Value,
    /// The sequence numbers of its events, in order.
    pub seqs: Vec<i32>,
    /// When each happened.
    pub ats: Vec<DateTime<Utc>>,
    /// The events.
    pub events: Vec<Value>,
}

impl History {
    /// Parses the events.
    ///
    /// # Errors
    /// With the number of an event that this release cannot read.
    pub fn read(&self) -> std::result::Result<Vec<Event>, String> {
        let read = |(seq, body): (&i32, &Value)| {
            Event::deserialize(body).map_err(|error| format!("event {seq} cannot be read: {error}"))
        };
        self.seqs.iter().zip(&self.events).map(read).collect()
    }

    /// Folds these, its own, events and compares with the stored state: how they differ, if they do.
    #[must_use]
    pub fn differs(&self, workflow: &Workflow, events: &[Event]) -> Option<String> {
        let run = match Run::replay(workflow, events.iter().zip(self.ats.iter().copied())) {
            Ok(run) => run,
            Err(error) => return Some(format!("its history cannot be folded: {error}")),
        };
        let same = Run::deserialize(&self.state).is_ok_and(|stored| stored == run);
        (!same).then(|| "its history gives another state".to_owned())
    }
}

/// The histories of these runs, in no order, without those of runs that do not exist or have no events.
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

/// The next runs in the order of their ids, after `after` or from the first, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn runs_after(pool: &Pool, after: Option<Uuid>, limit: i64) -> Result<Vec<Uuid>> {
    let after = after.unwrap_or_default();
    sqlx::query_scalar!("select id from run where id > $1 order by id limit $2", after, limit)
        .fetch_all(pool)
        .await
}

/// Whether there is any job, due or not.
///
/// # Errors
/// When the database does not answer.
pub async fn has_jobs(pool: &Pool) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from job) as "any!""#).fetch_one(pool).await
}

/// How many runs have a requirement and a job.
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
