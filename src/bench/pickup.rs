//! From the commit of a run to the start of its first attempt on an idle worker.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::{
    Report, baseline, bulk,
    environment::Environment,
    figures::{Spread, figure},
    graphs,
    verify::Verification,
    worker::{BenchWorker, Commits, InstantActivities, Setup},
};
use crate::{core::workflow::Workflow, engine::Engine};

/// Between two runs.
const INTERVAL: Duration = Duration::from_millis(20);
/// Jobs that the worker does at once.
const SLOTS: usize = 8;
/// Notifications to the bare listener beside it.
const NOTIFICATIONS: usize = 50;
/// The goals, in milliseconds.
const GOAL: (f64, f64) = (1.0, 5.0);

/// Accepts a run every 20 ms over a connection of its own; times are by the clock of this process.
pub(super) async fn measure(env: &Environment<'_>) -> anyhow::Result<Report> {
    let database = env.server.create().await?;
    let bare = Spread::of(baseline::notify_latency(env.baseline().await?, NOTIFICATIONS).await?);
    let setup = Setup { slots: SLOTS, connections: env.plan.connections, commits: Commits::Batched };
    let (engine, client) = (database.engine(setup.connections).await?, database.engine(1).await?);
    let activities = Arc::new(InstantActivities::with_first_attempts());
    let worker = BenchWorker::start(&database, engine.clone(), activities.clone(), setup).await?;
    let graph = &database.graphs.single;
    // Warm up connections, prepared statements and plans.
    enqueue(&client, graph, Duration::from_secs(1)).await?;
    let accepted = enqueue(&client, graph, env.plan.sizes.pickup).await?;
    let all = accepted.len();
    activities.finished(&engine, all).await?;
    worker.stop().await?;
    let runs: Vec<Uuid> = accepted.iter().map(|(run, _)| *run).collect();
    let verification = Verification::of(engine.pool(), graph, &runs, 1).await?;
    let waits = accepted
        .iter()
        .filter_map(|(run, at)| Some(baseline::signed_millis(activities.first_attempt(*run)?, *at)));
    let waits = Spread::of(waits);
    engine.pool().close().await;
    client.pool().close().await;
    env.server.drop_database(&database).await?;
    let line = json!({
        "runs": all,
        "p50_ms": figure(waits.median()),
        "p95_ms": figure(waits.at(0.95)),
        "p99_ms": figure(waits.at(0.99)),
        "limit_p50_ms": figure(bare.median()),
        "limit_p99_ms": figure(bare.at(0.99)),
        "goal": "p50 1 ms, p99 5 ms",
        "met": waits.median() <= GOAL.0 && waits.at(0.99) <= GOAL.1,
        "lost": verification.lost(),
        "unfinished": verification.unfinished,
    });
    Ok(Report::verified(line, &verification))
}

/// Accepts runs for `span` and returns each with the time at which its commit returned.
async fn enqueue(client: &Engine, graph: &Workflow, span: Duration) -> anyhow::Result<Vec<(Uuid, Instant)>> {
    let (requirement, began) = (graphs::requirement()?, Instant::now());
    let mut accepted = Vec::new();
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while began.elapsed() < span {
        interval.tick().await;
        let runs = bulk::accept(client, graph, &requirement, 1).await?;
        let at = Instant::now();
        accepted.extend(runs.into_iter().map(|run| (run, at)));
    }
    Ok(accepted)
}
