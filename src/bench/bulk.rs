//! Rows by the thousand: many runs at once, and one run with a long history.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    core::{
        branch,
        limit::{self, Target},
        requirement::Requirement,
        run::{Action, Event, Progress, Run},
        workflow::Workflow,
    },
    engine::{Engine, Error},
    store::{self, Connection, Result, notify, product::Product},
};

/// The most runs that one transaction inserts.
const CHUNK: usize = 1_000;
/// The actor of the first events.
const ACTOR: &str = "bulk";

/// What all runs of a chunk have in common.
struct Template<'a> {
    requirement: &'a Requirement,
    product: &'a Product,
    workflow_hash: &'a str,
    run: &'a Run,
    keys: &'a [String],
    at: DateTime<Utc>,
}

/// Accepts the same requirement `count` times, as [`Engine::accept`] would with a graph of the caller's choice,
/// and returns the ids of the runs. The graph must be in the database already.
///
/// There is a transaction for each 1,000 runs, and only the last one notifies idle workers: after an error
/// some runs may have been accepted.
///
/// # Errors
/// [`Error::NoProduct`] for an unknown product.
pub async fn accept(
    engine: &Engine,
    workflow: &Workflow,
    requirement: &Requirement,
    count: usize,
) -> std::result::Result<Vec<Uuid>, Error> {
    let name = requirement.product.as_str();
    let product = store::product::get(engine.pool(), name).await?;
    let product = product.ok_or_else(|| Error::NoProduct(name.to_owned()))?;
    let mut runs = Vec::with_capacity(count);
    while runs.len() < count {
        let size = (count - runs.len()).min(CHUNK);
        let is_last = runs.len() + size == count;
        runs.extend(accept_chunk(engine, workflow, requirement, &product, size, is_last).await?);
    }
    Ok(runs)
}

async fn accept_chunk(
    engine: &Engine,
    workflow: &Workflow,
    requirement: &Requirement,
    product: &Product,
    size: usize,
    notify: bool,
) -> std::result::Result<Vec<Uuid>, Error> {
    let ids = || -> Vec<Uuid> { (0..size).map(|_| Uuid::now_v7()).collect() };
    let (requirements, runs) = (ids(), ids());
    let mut tx = engine.pool().begin().await?;
    let at = store::now(&mut tx).await?;
    let (run, actions) = Run::start(workflow, at)?;
    let keys = &first_keys(workflow, product);
    let template = Template { requirement, product, workflow_hash: &workflow.hash, run: &run, keys, at };
    for action in &actions {
        insert(&mut tx, &requirements, &runs, &template, action).await?;
        if let Action::Enqueue { queue, .. } = action
            && notify
        {
            notify::job_available(&mut tx, queue.as_str()).await?;
        }
    }
    tx.commit().await?;
    Ok(runs)
}

/// The keys of the job of the first step.
fn first_keys(workflow: &Workflow, product: &Product) -> Vec<String> {
    let Some(step) = workflow.steps.get(&workflow.start) else { return Vec::new() };
    let Product { name, repository, base_branch, .. } = product;
    let target = Target { product: name, repository, base_branch };
    limit::keys(&target, step.run, step.queue, limit::PROVIDER)
}

/// Inserts requirements, runs, first events and jobs in one statement: the n-th requirement with the n-th run.
async fn insert(
    connection: &mut Connection,
    requirements: &[Uuid],
    runs: &[Uuid],
    template: &Template<'_>,
    action: &Action,
) -> Result<()> {
    let Template { requirement, product, workflow_hash, run, keys, at } = template;
    let Action::Enqueue { step, queue, turn, attempts } = action else { return Ok(()) };
    let started = Event::Started { progress: Progress::default() };
    let branches: Vec<String> = runs.iter().map(|run| branch::name(&product.name, run)).collect();
    sqlx::query_file!(
        "src/bench/sql/run_bulk.sql",
        requirements,
        runs,
        product.name,
        requirement.title,
        requirement.body,
        i16::from(requirement.priority),
        ACTOR,
        workflow_hash,
        product.repository,
        product.base_branch,
        run.state.as_str(),
        run.step(),
        Json(run) as _,
        at,
        started.as_str(),
        Json(&started) as _,
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

/// An event, and the step that its run was at.
pub(super) type PastEvent = (Event, Option<String>);

/// Appends events to the history of a run that has only its first. The caller saves the run itself.
///
/// # Errors
/// A unique violation when a place in the history is taken.
pub(super) async fn append_history(
    connection: &mut Connection,
    run_id: Uuid,
    at: DateTime<Utc>,
    actor: &str,
    events: &[PastEvent],
) -> Result<()> {
    let steps: Vec<Option<String>> = events.iter().map(|(_, step)| step.clone()).collect();
    let kinds: Vec<String> = events.iter().map(|(event, _)| event.as_str().to_owned()).collect();
    let bodies: Vec<Json<&Event>> = events.iter().map(|(event, _)| Json(event)).collect();
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

/// Deletes the job of a run whose end was written by hand.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn delete_job(connection: &mut Connection, run_id: Uuid) -> Result<()> {
    sqlx::query!("delete from job where run_id = $1", run_id).execute(connection).await.map(|_| ())
}

fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
