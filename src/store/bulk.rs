//! Rows by the thousand: many runs at once, and one run with a long history.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Connection, Result, job::signed, product::Product};
use crate::core::{
    branch,
    requirement::Requirement,
    run::{Action, Event, Run},
};

/// What runs that begin together have in common.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// What is asked for, each time anew.
    pub requirement: &'a Requirement,
    /// Who asks.
    pub actor: &'a str,
    /// The product that shall have it.
    pub product: &'a Product,
    /// The graph they follow.
    pub workflow_hash: &'a str,
    /// How they begin.
    pub run: &'a Run,
    /// The job that each asks for.
    pub action: &'a Action,
    /// The keys under which it will be held.
    pub keys: &'a [String],
    /// When, by the database's clock.
    pub at: DateTime<Utc>,
}

/// Stores requirements, runs, first events and jobs in one statement: the n-th requirement with the n-th run.
///
/// # Errors
/// A unique violation for an id that is taken; nothing is stored then.
pub async fn begin(
    connection: &mut Connection,
    requirements: &[Uuid],
    runs: &[Uuid],
    beginning: &Beginning<'_>,
) -> Result<()> {
    let Beginning { requirement, actor, product, workflow_hash, run, action, keys, at } = beginning;
    let Action::Enqueue { step, queue, turn, attempts } = action else { return Ok(()) };
    let branches: Vec<String> = runs.iter().map(|run| branch::name(&product.name, run)).collect();
    sqlx::query_file!(
        "src/store/sql/run_bulk.sql",
        requirements,
        runs,
        product.name,
        requirement.title,
        requirement.body,
        i16::from(requirement.priority),
        actor,
        workflow_hash,
        product.repository,
        product.base_branch,
        run.state.as_str(),
        run.step(),
        Json(run) as _,
        at,
        Event::Started.as_str(),
        Json(Event::Started) as _,
        step,
        signed(*turn),
        queue.as_str(),
        signed(*attempts),
        *keys,
        &branches
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// An event and the step that its run was at.
pub type Past = (Event, Option<String>);

/// Appends events to the history of a run whose first event is there already. The run itself is the caller's
/// to save.
///
/// # Errors
/// A unique violation when a place in the history is taken.
pub async fn remember(
    connection: &mut Connection,
    run_id: Uuid,
    at: DateTime<Utc>,
    actor: &str,
    past: &[Past],
) -> Result<()> {
    let steps: Vec<Option<String>> = past.iter().map(|(_, step)| step.clone()).collect();
    let kinds: Vec<String> = past.iter().map(|(event, _)| event.as_str().to_owned()).collect();
    let bodies: Vec<Json<&Event>> = past.iter().map(|(event, _)| Json(event)).collect();
    sqlx::query(
        "insert into event (run_id, seq, at, actor, step, kind, body)
         select $1, place + 1, $2, $3, step, kind, body
         from unnest($4::text[], $5::text[], $6::jsonb[]) with ordinality as past (step, kind, body, place)",
    )
    .bind(run_id)
    .bind(at)
    .bind(actor)
    .bind(steps)
    .bind(kinds)
    .bind(bodies)
    .execute(connection)
    .await
    .map(|_| ())
}

/// Takes away the job of a run whose end was written by hand.
///
/// # Errors
/// When the database does not answer.
pub async fn drop_job(connection: &mut Connection, run_id: Uuid) -> Result<()> {
    sqlx::query!("delete from job where run_id = $1", run_id).execute(connection).await.map(|_| ())
}
