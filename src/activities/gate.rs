//! Gate: the preflight. Tier, docs drift and what this head will need, before a review is paid for.

use super::{
    Failure, Reply,
    attempt::{Attempt, answer_with},
    facts, merging,
};
use crate::core::{
    policy::{Decision, PullState, Stop, preflight},
    run::Progress,
    workflow::Outcome,
};

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let (pull, mirror) = (at.pull().await?, at.mirror().await?);
    let facts = at.facts(&mirror, &pull).await?;
    let assessment = preflight(&facts);
    facts::record(at, &facts, &assessment).await?;
    if pull.state == PullState::Merged {
        return merging::unjudged(at, &pull).await;
    }
    let outcome = match assessment.decision() {
        Decision::Clear | Decision::Waiting { .. } | Decision::Behind => Outcome::Passed,
        Decision::Blocked { remediable, .. } if !remediable.is_empty() => Outcome::Blocked,
        Decision::Blocked { .. } => Outcome::Stopped,
        Decision::Stopped { reason: Stop::Closed | Stop::Merged } => Outcome::Closed,
        Decision::Stopped { .. } => Outcome::Stopped,
    };
    if outcome != Outcome::Closed {
        at.report_gate(&facts, &assessment).await?;
    }
    at.left_to_people(&assessment, pull.number).await?;
    // The base's policy is broken, or the dependencies wait for a person: no review is paid for before that is settled.
    if assessment.awaited().is_some() {
        return Ok(at.asking(at.accepting(super::verdict::park(at, &assessment), &facts), &facts));
    }
    let progress = Progress {
        base: Some(facts.base.clone()),
        head: Some(facts.head.clone()),
        tier: Some(assessment.tier()),
        ..Progress::default()
    };
    Ok(at.accepting(answer_with(outcome, assessment.sentence(), progress), &facts))
}
