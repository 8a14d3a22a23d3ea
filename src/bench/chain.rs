//! Steps in a row: result, event, state and next job are committed before the next step begins.

use serde_json::json;

use super::{
    Report, drain::drained, environment::Environment, figures::figure, verify::Verification, worker::Commits,
};

/// The goal in steps a second, each committed alone.
const GOAL_ALONE: f64 = 3_000.0;
/// The goal in steps a second in batches: 1.2 times pg-boss with the next job in the step's transaction (7,500
/// on such a machine), which is also more than 10 times DBOS (690).
const GOAL_BATCHED: f64 = 9_000.0;

/// Runs of eight steps, started at once: each step committed alone, then in batches.
pub(super) async fn measure(env: &Environment<'_>) -> anyhow::Result<Report> {
    let runs = env.plan.sizes.chain;
    let before = env.transition_baseline().await?;
    let mut both = Vec::new();
    for commits in [Commits::Alone, Commits::Batched] {
        let database = env.server.create().await?;
        both.push(drained(&database, &database.graphs.chain, runs, env.setup(commits)).await?);
        env.server.drop_database(&database).await?;
    }
    let limit = f64::midpoint(before, env.transition_baseline().await?);
    let (alone, batched) = (both[0].rate, both[1].rate);
    let mut verification = Verification::default();
    both.into_iter().for_each(|drained| verification.add(drained.verification));
    let line = json!({
        "runs": runs,
        "alone_steps_per_s": figure(alone),
        "grouped_steps_per_s": figure(batched),
        "limit_per_s": figure(limit),
        "alone_share": figure(alone / limit),
        "share": figure(batched / limit),
        "goal": "3,000 steps/s alone, 9,000 steps/s in groups",
        "met": alone >= GOAL_ALONE && batched >= GOAL_BATCHED,
        "answered": verification.answered,
        "lost": verification.lost(),
        "unfinished": verification.unfinished,
    });
    Ok(Report::verified(line, &verification))
}
