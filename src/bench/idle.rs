//! What a worker costs that has nothing to do: a real `aspora worker` in a process of its own.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::{
    Report,
    child::Child,
    figures::{figure, per_second},
    stage::Stage,
    wire::Wire,
};
use crate::store::throwaway;

/// The worker is up and has looked around.
const SETTLED: Duration = Duration::from_secs(3);
/// The goals: statements a second, and megabytes.
const GOAL: (f64, f64) = (1.0, 25.0);

/// Counts on the wire what the worker says to Postgres; the server's own count tells its connections.
pub(super) async fn measure(stage: &Stage<'_>) -> anyhow::Result<Report> {
    let database = stage.ground.fresh().await?;
    let wire = Wire::to(&database.url).await?;
    let folder = tempfile::tempdir().context("make a folder")?;
    let worker = Child::worker(&stage.plan.program, &wire.url(&database.url)?, folder.path())?;
    tokio::time::sleep(SETTLED).await;
    let before = wire.count();
    tokio::time::sleep(stage.plan.sizes.idle).await;
    let after = wire.count();
    let rss = worker.resident_megabytes()?;
    let connections = throwaway::connections(&mut stage.ground.admin().await?, &database.name).await?;
    worker.kill().await?;
    let rate = |before: u64, after: u64| {
        let said = usize::try_from(after - before).unwrap_or(usize::MAX);
        per_second(said, stage.plan.sizes.idle)
    };
    let statements = rate(before.statements, after.statements);
    anyhow::ensure!(connections > 0, "the worker is not connected");
    Ok(Report::of(json!({
        "seconds": stage.plan.sizes.idle.as_secs(),
        "statements_per_s": figure(statements),
        "transactions_per_s": figure(rate(before.transactions, after.transactions)),
        "round_trips_per_s": figure(rate(before.round_trips, after.round_trips)),
        "connections": connections,
        "rss_mb": figure(rss),
        "goal": "1 statement/s, 25 MB",
        "met": statements <= GOAL.0 && rss <= GOAL.1,
    })))
}
