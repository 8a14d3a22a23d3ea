//! Steps in a row: every result, event, state and next job is committed before the next step begins.

use serde_json::json;

use super::{Report, audit::Audit, crew::Commits, drain::drained, figures::figure, stage::Stage};

/// Steps a second, each committed alone.
const GOAL_ALONE: f64 = 3_000.0;
/// Steps a second in groups: 1.2 times pg-boss with the next job in the step's transaction (7,500 on such a
/// machine), which is also more than 10 times DBOS (690).
const GOAL_GROUPED: f64 = 9_000.0;

/// Runs of eight steps, started at once: each step committed alone, then in groups.
pub(super) async fn measure(stage: &Stage<'_>) -> anyhow::Result<Report> {
    let runs = stage.plan.sizes.chain;
    let before = stage.transition_limit().await?;
    let mut both = Vec::new();
    for commits in [Commits::Alone, Commits::Grouped] {
        let database = stage.ground.fresh().await?;
        both.push(drained(&database, &database.graphs.chain, runs, stage.setup(commits)).await?);
        stage.ground.discard(&database).await?;
    }
    let limit = f64::midpoint(before, stage.transition_limit().await?);
    let (alone, grouped) = (both[0].rate, both[1].rate);
    let mut audit = Audit::default();
    both.into_iter().for_each(|drained| audit.add(drained.audit));
    let line = json!({
        "runs": runs,
        "alone_steps_per_s": figure(alone),
        "grouped_steps_per_s": figure(grouped),
        "limit_per_s": figure(limit),
        "alone_share": figure(alone / limit),
        "share": figure(grouped / limit),
        "goal": "3,000 steps/s alone, 9,000 steps/s in groups",
        "met": alone >= GOAL_ALONE && grouped >= GOAL_GROUPED,
        "answered": audit.answered,
        "lost": audit.wrong - audit.unfinished,
        "unfinished": audit.unfinished,
    });
    Ok(Report::audited(line, &audit))
}
