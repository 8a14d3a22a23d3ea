//! Many runs at once until the last has ended, in steps a second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    Report, bulk,
    environment::Environment,
    figures::{figure, per_second},
    graphs,
    server::Database,
    throwaway,
    verify::Verification,
    worker::{BenchWorker, Commits, InstantActivities, Setup},
};
use crate::core::workflow::Workflow;

/// The goal in steps a second, on any machine.
const GOAL: f64 = 25_000.0;
/// Else the share of the baseline that is enough on a slower machine.
const SHARE: f64 = 0.6;

/// What a worker did until no job was left.
pub(super) struct Drained {
    /// Steps a second, by the histories.
    pub(super) rate: f64,
    /// How long it took.
    pub(super) span: Duration,
    /// The check of the histories.
    pub(super) verification: Verification,
}

/// Runs of one step, enqueued in bulk, then drained by one worker.
pub(super) async fn measure(env: &Environment<'_>) -> anyhow::Result<Report> {
    let (runs, database) = (env.plan.sizes.drain, env.server.create().await?);
    let before = (env.batch_baseline().await?, env.transition_baseline().await?);
    let graph = &database.graphs.single;
    let drained = drained(&database, graph, runs, env.setup(Commits::Batched)).await?;
    let after = (env.batch_baseline().await?, env.transition_baseline().await?);
    env.server.drop_database(&database).await?;
    let (limit, transitions) = (f64::midpoint(before.0, after.0), f64::midpoint(before.1, after.1));
    let share = drained.rate / limit;
    let line = json!({
        "runs": runs,
        "steps_per_s": figure(drained.rate),
        "limit_per_s": figure(limit),
        "share": figure(share),
        "transition_limit_per_s": figure(transitions),
        "transition_share": figure(drained.rate / transitions),
        "goal": "25,000 steps/s or 0.6 of claiming and finishing by batches of 100",
        "met": drained.rate >= GOAL || share >= SHARE,
        "seconds": figure(drained.span.as_secs_f64()),
        "answered": drained.verification.answered,
        "lost": drained.verification.lost(),
        "unfinished": drained.verification.unfinished,
    });
    Ok(Report::verified(line, &drained.verification))
}

/// Enqueues `runs` of a graph, then times one worker until no job is left, and reads every history.
pub(super) async fn drained(
    database: &Database,
    graph: &Workflow,
    runs: usize,
    setup: Setup,
) -> anyhow::Result<Drained> {
    let engine = database.engine(setup.connections).await?;
    let begun = bulk::accept(&engine, graph, &graphs::requirement()?, runs).await?;
    throwaway::vacuum_jobs(engine.pool()).await?;
    let (steps, activities) = (graph.steps.len(), Arc::new(InstantActivities::default()));
    let began = Instant::now();
    let worker = BenchWorker::start(database, engine.clone(), activities.clone(), setup).await?;
    activities.finished(&engine, runs * steps).await?;
    let span = began.elapsed();
    worker.stop().await?;
    let verification = Verification::of(engine.pool(), graph, &begun, steps).await?;
    engine.pool().close().await;
    Ok(Drained { rate: per_second(verification.answered, span), span, verification })
}
