//! Many runs at once, until the last one has ended: steps a second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    Report,
    audit::Audit,
    crew::{Commits, Crew, Prompt, Setup},
    figures::{figure, per_second},
    graphs,
    ground::Database,
    stage::Stage,
};
use crate::{core::workflow::Workflow, store::throwaway};

/// Steps a second that are enough whatever the machine.
const GOAL: f64 = 25_000.0;
/// The share of the limit that is enough on a slower machine.
const SHARE: f64 = 0.6;

/// What a worker did until nothing was left.
pub(super) struct Drained {
    /// Steps a second, by the histories.
    pub(super) rate: f64,
    /// How long it took.
    pub(super) span: Duration,
    /// What the histories say.
    pub(super) audit: Audit,
}

/// Runs of one step, enqueued in bulk, then drained by one worker.
pub(super) async fn measure(stage: &Stage<'_>) -> anyhow::Result<Report> {
    let (runs, database) = (stage.plan.sizes.drain, stage.ground.fresh().await?);
    let before = (stage.batch_limit().await?, stage.transition_limit().await?);
    let graph = &database.graphs.single;
    let drained = drained(&database, graph, runs, stage.setup(Commits::Grouped)).await?;
    let after = (stage.batch_limit().await?, stage.transition_limit().await?);
    stage.ground.discard(&database).await?;
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
        "answered": drained.audit.answered,
        "lost": drained.audit.wrong - drained.audit.unfinished,
        "unfinished": drained.audit.unfinished,
    });
    Ok(Report::audited(line, &drained.audit))
}

/// Enqueues `runs` of a graph, then times one worker until no job is left, and reads every history.
pub(super) async fn drained(
    database: &Database,
    graph: &Workflow,
    runs: usize,
    setup: Setup,
) -> anyhow::Result<Drained> {
    let engine = database.engine(setup.connections).await?;
    let begun = engine.accept_bulk(graph, &graphs::requirement()?, runs).await?;
    throwaway::tidy(engine.pool()).await?;
    let (steps, prompt) = (graph.steps.len(), Arc::new(Prompt::default()));
    let began = Instant::now();
    let crew = Crew::start(database, engine.clone(), prompt.clone(), setup).await?;
    prompt.finished(&engine, runs * steps).await?;
    let span = began.elapsed();
    crew.stop().await?;
    let audit = Audit::of(engine.pool(), graph, &begun, steps).await?;
    engine.pool().close().await;
    Ok(Drained { rate: per_second(audit.answered, span), span, audit })
}
