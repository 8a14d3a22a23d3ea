//! How long a step waits for its next attempt after its worker was killed or stopped.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::{Either, select};
use serde_json::json;

use super::{Report, bulk, environment::Environment, figures::figure, graphs, process::WorkerProcess};
use crate::worker;

/// How long a worker that is stopped may go on with its jobs.
const DRAIN: Duration = Duration::from_millis(500);
/// After so many leases a missing attempt is an error.
const LEASES: u32 = 4;
/// The goals, in seconds.
const GOAL: (f64, f64) = (45.0, 2.0);

/// Two workers; the one that claimed the step is killed, then the other one is stopped.
pub(super) async fn measure(env: &Environment<'_>) -> anyhow::Result<Report> {
    let (database, lease) = (env.server.create().await?, env.plan.sizes.lease);
    let (program, url) = (&env.plan.program, &database.url);
    let start = |drain| WorkerProcess::hanging(program, url, lease, drain);
    let engine = database.engine(1).await?;
    let (one, two) = (start(DRAIN).await?, start(DRAIN).await?);
    bulk::accept(&engine, &database.graphs.single, &graphs::requirement()?, 1).await?;
    let (holder, mut idle) = first_to_begin(one, two).await?;

    let killed = Instant::now();
    holder.kill().await?;
    let patience = lease * LEASES + Duration::from_secs(10);
    let after_kill = until_begun(&mut idle, killed, patience).await.context("after a kill")?;

    let mut third = start(worker::DRAIN).await?;
    let stopped = Instant::now();
    idle.terminate()?;
    let after_stop = until_begun(&mut third, stopped, patience).await.context("after a stop")?;
    third.kill().await?;
    engine.pool().close().await;
    Ok(Report::of(json!({
        "lease_s": figure(lease.as_secs_f64()),
        "kill_s": figure(after_kill),
        "drain_s": figure(DRAIN.as_secs_f64()),
        "sigterm_s": figure(after_stop),
        "default_settings": lease == crate::queue::Timing::default().lease,
        "goal": "45 s after a kill with a lease of 30 s, 2 s after SIGTERM",
        "met": after_kill <= GOAL.0 && after_stop <= GOAL.1,
    })))
}

/// The worker in which the attempt began, and the other one.
async fn first_to_begin(
    mut one: WorkerProcess,
    mut two: WorkerProcess,
) -> anyhow::Result<(WorkerProcess, WorkerProcess)> {
    let first = match select(Box::pin(one.attempt_begins()), Box::pin(two.attempt_begins())).await {
        Either::Left((begun, _)) => begun.map(|()| true)?,
        Either::Right((begun, _)) => begun.map(|()| false)?,
    };
    Ok(if first { (one, two) } else { (two, one) })
}

/// Seconds from `since` to the beginning of an attempt.
async fn until_begun(child: &mut WorkerProcess, since: Instant, patience: Duration) -> anyhow::Result<f64> {
    let begun = tokio::time::timeout(patience, child.attempt_begins()).await;
    begun.with_context(|| format!("no attempt began within {} s", patience.as_secs()))??;
    Ok(since.elapsed().as_secs_f64())
}
