//! What an idle worker costs: a real `aspora worker` in a process of its own.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::{
    Report,
    environment::Environment,
    figures::{figure, per_second},
    process::WorkerProcess,
    proxy::Proxy,
    throwaway,
};

/// After this the worker has started and made its first queries.
const SETTLED: Duration = Duration::from_secs(3);
/// The goals: statements a second, and megabytes.
const GOAL: (f64, f64) = (1.0, 25.0);

/// Counts the worker's statements on the wire; its connections are counted by the server.
pub(super) async fn measure(env: &Environment<'_>) -> anyhow::Result<Report> {
    let database = env.server.create().await?;
    let proxy = Proxy::to(&database.url).await?;
    let folder = tempfile::tempdir().context("make a folder")?;
    let worker = WorkerProcess::real(&env.plan.program, &proxy.url(&database.url)?, folder.path())?;
    tokio::time::sleep(SETTLED).await;
    let before = proxy.traffic();
    tokio::time::sleep(env.plan.sizes.idle).await;
    let after = proxy.traffic();
    let rss = worker.resident_megabytes()?;
    let connections = throwaway::connections(&mut env.server.admin().await?, &database.name).await?;
    worker.kill().await?;
    let rate = |before: u64, after: u64| {
        let count = usize::try_from(after - before).unwrap_or(usize::MAX);
        per_second(count, env.plan.sizes.idle)
    };
    let statements = rate(before.statements, after.statements);
    anyhow::ensure!(connections > 0, "the worker is not connected");
    Ok(Report::of(json!({
        "seconds": env.plan.sizes.idle.as_secs(),
        "statements_per_s": figure(statements),
        "transactions_per_s": figure(rate(before.transactions, after.transactions)),
        "round_trips_per_s": figure(rate(before.round_trips, after.round_trips)),
        "connections": connections,
        "rss_mb": figure(rss),
        "goal": "1 statement/s, 25 MB",
        "met": statements <= GOAL.0 && rss <= GOAL.1,
    })))
}
