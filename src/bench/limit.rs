//! What Postgres itself gives, by plain statements.

use serde_json::json;

use super::{
    Report,
    figures::{Spread, figure},
    stage::{CLIENTS, Stage},
};
use crate::store::limits_of_postgres as postgres;

/// Notices of the bare listener.
const NOTICES: usize = 100;

/// Measures every limit, one after the other.
pub(super) async fn measure(stage: &Stage<'_>) -> anyhow::Result<Report> {
    let (pool, span) = (stage.limits().await?, stage.plan.sizes.limit);
    let inserts = postgres::inserts(pool, CLIENTS, span).await?;
    let singly = postgres::one_by_one(pool, CLIENTS, span).await?;
    let batches = stage.batch_limit().await?;
    let transitions = stage.transition_limit().await?;
    let wake = Spread::of(postgres::wake(pool, NOTICES).await?);
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
