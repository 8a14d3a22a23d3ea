//! Gate: the preflight. Tier, docs drift and what this head will need, before a review is paid for.

use super::{
    Failure, Reply,
    attempt::{Attempt, answer_with},
    facts, verdict,
};
use crate::core::{
    policy::{Decision, Stop, preflight},
    run::Progress,
    workflow::Outcome,
};

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let (pull, mirror) = (at.pull().await?, at.mirror().await?);
    let facts = at.facts(&mirror, &pull).await?;
    let assessment = preflight(&facts);
    facts::record(at, &facts, &assessment).await?;
    let outcome = match assessment.decision() {
        Decision::Clear | Decision::Behind => Outcome::Passed,
        // The base's policy is broken: no review is paid for before people have repaired it.
        Decision::Waiting { .. } => {
            at.report_gate(&assessment).await?;
            return Ok(verdict::park(at, &assessment));
        }
        Decision::Blocked { remediable, .. } if !remediable.is_empty() => Outcome::Blocked,
        Decision::Blocked { .. } => Outcome::Stopped,
        Decision::Stopped { reason: Stop::Closed | Stop::Merged } => Outcome::Closed,
        Decision::Stopped { .. } => Outcome::Stopped,
    };
    if outcome != Outcome::Closed {
        at.report_gate(&assessment).await?;
    }
    let progress = Progress {
        base: Some(facts.base.clone()),
        head: Some(facts.head.clone()),
        tier: Some(assessment.tier()),
        ..Progress::default()
    };
    Ok(answer_with(outcome, assessment.sentence(), progress))
}
