//! The baseline: what Postgres itself does with plain statements.

use serde_json::json;

use super::{
    Report, baseline,
    environment::{CLIENTS, Environment},
    figures::{Spread, figure},
};

/// Notifications to the bare listener.
const NOTIFICATIONS: usize = 100;

/// Measures every baseline, one after the other.
pub(super) async fn measure(env: &Environment<'_>) -> anyhow::Result<Report> {
    let (pool, span) = (env.baseline().await?, env.plan.sizes.limit);
    let inserts = baseline::inserts(pool, CLIENTS, span).await?;
    let singly = baseline::one_by_one(pool, CLIENTS, span).await?;
    let batches = env.batch_baseline().await?;
    let transitions = env.transition_baseline().await?;
    let wake = Spread::of(baseline::notify_latency(pool, NOTIFICATIONS).await?);
    Ok(Report::of(json!({
        "insert_commits_per_s": figure(inserts),
        "clients": CLIENTS,
        "claim_one_finish_one_per_s": figure(singly),
        "claim_finish_by_100_per_s": figure(batches),
        "transitions_by_100_per_s": figure(transitions),
        "listen_wake_p50_ms": figure(wake.median()),
        "listen_wake_p99_ms": figure(wake.at(0.99)),
    })))
}
