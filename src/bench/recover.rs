//! How long a step stands still when its worker dies, or is told to stop.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::{Either, select};
use serde_json::json;

use super::{Report, child::Child, figures::figure, graphs, stage::Stage};
use crate::worker;

/// How long a worker that is told to stop may go on with what it does.
const DRAIN: Duration = Duration::from_millis(500);
/// After so many leases nobody will come any more.
const LEASES: u32 = 4;
/// The goals, in seconds.
const GOAL: (f64, f64) = (45.0, 2.0);

/// Two workers with default settings; the one that took the step is killed, then the next is told to stop.
pub(super) async fn measure(stage: &Stage<'_>) -> anyhow::Result<Report> {
    let (database, lease) = (stage.ground.fresh().await?, stage.plan.sizes.lease);
    let (program, url) = (&stage.plan.program, &database.url);
    let hire = |drain| Child::hanging(program, url, lease, drain);
    let engine = database.engine(1).await?;
    let (one, two) = (hire(DRAIN).await?, hire(DRAIN).await?);
    engine.accept_bulk(&database.graphs.single, &graphs::requirement()?, 1).await?;
    let (holder, mut idle) = whoever_begins(one, two).await?;

    let killed = Instant::now();
    holder.kill().await?;
    let patience = lease * LEASES + Duration::from_secs(10);
    let after_kill = until_begun(&mut idle, killed, patience).await.context("after a kill")?;

    let mut third = hire(worker::DRAIN).await?;
    let told = Instant::now();
    idle.ask_to_stop()?;
    let after_stop = until_begun(&mut third, told, patience).await.context("after a stop")?;
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
async fn whoever_begins(mut one: Child, mut two: Child) -> anyhow::Result<(Child, Child)> {
    let first = match select(Box::pin(one.begins()), Box::pin(two.begins())).await {
        Either::Left((begun, _)) => begun.map(|()| true)?,
        Either::Right((begun, _)) => begun.map(|()| false)?,
    };
    Ok(if first { (one, two) } else { (two, one) })
}

/// Seconds from `since` to the beginning of an attempt.
async fn until_begun(child: &mut Child, since: Instant, patience: Duration) -> anyhow::Result<f64> {
    let begun = tokio::time::timeout(patience, child.begins()).await;
    begun.with_context(|| format!("no attempt began within {} s", patience.as_secs()))??;
    Ok(since.elapsed().as_secs_f64())
}
