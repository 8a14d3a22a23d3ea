//! From the commit of a run to the beginning of its work, by a worker that is idle.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::{
    Report,
    audit::Audit,
    crew::{Commits, Crew, Prompt, Setup},
    figures::{Spread, figure},
    graphs,
    stage::Stage,
};
use crate::{
    core::workflow::Workflow,
    engine::Engine,
    store::limits_of_postgres::{self as postgres, signed_millis},
};

/// Between two runs.
const BEAT: Duration = Duration::from_millis(20);
/// Jobs that the worker does at once.
const SLOTS: usize = 8;
/// Notices of the bare listener beside it.
const NOTICES: usize = 50;
/// The goals, in milliseconds.
const GOAL: (f64, f64) = (1.0, 5.0);

/// One run every 20 ms from a connection of its own; the clock is this process's.
pub(super) async fn measure(stage: &Stage<'_>) -> anyhow::Result<Report> {
    let database = stage.ground.fresh().await?;
    let bare = Spread::of(postgres::wake(stage.limits().await?, NOTICES).await?);
    let setup = Setup { slots: SLOTS, connections: stage.plan.connections, commits: Commits::Grouped };
    let (engine, client) = (database.engine(setup.connections).await?, database.engine(1).await?);
    let prompt = Arc::new(Prompt::remembering());
    let crew = Crew::start(&database, engine.clone(), prompt.clone(), setup).await?;
    let graph = &database.graphs.single;
    // Connections, statements and plans are there before it counts.
    enqueue(&client, graph, Duration::from_secs(1)).await?;
    let told = enqueue(&client, graph, stage.plan.sizes.pickup).await?;
    let all = told.len();
    prompt.finished(&engine, all).await?;
    crew.stop().await?;
    let runs: Vec<Uuid> = told.iter().map(|(run, _)| *run).collect();
    let audit = Audit::of(engine.pool(), graph, &runs, 1).await?;
    let waits = told.iter().filter_map(|(run, at)| Some(signed_millis(prompt.first(*run)?, *at)));
    let waits = Spread::of(waits);
    engine.pool().close().await;
    client.pool().close().await;
    stage.ground.discard(&database).await?;
    let line = json!({
        "runs": all,
        "p50_ms": figure(waits.median()),
        "p95_ms": figure(waits.at(0.95)),
        "p99_ms": figure(waits.at(0.99)),
        "limit_p50_ms": figure(bare.median()),
        "limit_p99_ms": figure(bare.at(0.99)),
        "goal": "p50 1 ms, p99 5 ms",
        "met": waits.median() <= GOAL.0 && waits.at(0.99) <= GOAL.1,
        "lost": audit.wrong - audit.unfinished,
        "unfinished": audit.unfinished,
    });
    Ok(Report::audited(line, &audit))
}

/// Enqueues for `span` and tells each run and when its commit had returned.
async fn enqueue(client: &Engine, graph: &Workflow, span: Duration) -> anyhow::Result<Vec<(Uuid, Instant)>> {
    let (requirement, began) = (graphs::requirement()?, Instant::now());
    let mut told = Vec::new();
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while began.elapsed() < span {
        beat.tick().await;
        let runs = client.accept_bulk(graph, &requirement, 1).await?;
        let at = Instant::now();
        told.extend(runs.into_iter().map(|run| (run, at)));
    }
    Ok(told)
}
