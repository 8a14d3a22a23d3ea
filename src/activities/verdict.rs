//! Verdict: the final gate. Everything that the policy demands of this head is there, or the run waits for it.

use super::{
    Failure, Reply,
    attempt::{Attempt, answer, answer_with, moved},
    facts, merging, quiet,
    wait::{wait, wait_for_people},
};
use crate::core::{
    policy::{Assessment, Decision, PullState, Stop, Wait, judge},
    run::{Awaited, Progress},
    workflow::Outcome,
};

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    if let Some(wait) = quiet::unchanged(at).await? {
        return Ok(wait);
    }
    let head = at.head()?;
    let (pull, facts) = at.look().await?;
    let assessment = judge(&facts);
    // Recorded before anything follows from it: the merge judges the recorded facts again.
    facts::record(at, &facts, &assessment).await?;
    if pull.state == PullState::Merged {
        return merging::unjudged(at, &pull).await;
    }
    let closed = matches!(assessment.decision(), Decision::Stopped { reason: Stop::Closed | Stop::Merged });
    if !closed {
        at.report_gate(&facts, &assessment).await?;
        if facts.head != head {
            return Ok(moved(&head, &facts.head));
        }
        at.left_to_people(&assessment, pull.number).await?;
        if facts.lacks_review() {
            return Ok(answer(Outcome::Moved, format!("{} has not been reviewed", head.short())));
        }
    }
    let outcome = match assessment.decision() {
        Decision::Clear => Outcome::Cleared,
        Decision::Waiting { .. } => {
            at.rerun_checks(&assessment).await?;
            let wait = quiet::with_look(at, park(at, &assessment), &pull, &facts);
            return Ok(at.asking(with_note(at, at.accepting(wait, &facts)).await?, &facts));
        }
        Decision::Behind => Outcome::Behind,
        Decision::Blocked { remediable, .. } if !remediable.is_empty() => Outcome::Blocked,
        Decision::Blocked { .. } => Outcome::Stopped,
        Decision::Stopped { reason: Stop::Closed | Stop::Merged } => Outcome::Closed,
        Decision::Stopped { .. } => Outcome::Stopped,
    };
    let progress =
        Progress { base: Some(facts.base.clone()), tier: Some(assessment.tier()), ..Progress::default() };
    Ok(at.accepting(answer_with(outcome, assessment.sentence(), progress), &facts))
}

/// Waits for what the assessment says is missing.
pub(super) fn park(at: &Attempt<'_>, assessment: &Assessment) -> Reply {
    let reason = assessment.awaited().unwrap_or_else(|| assessment.sentence());
    match awaited(assessment) {
        Awaited::Machines => wait(at, reason),
        people => wait_for_people(at, reason, people),
    }
}

/// Who can end the wait: people only if they alone can.
fn awaited(assessment: &Assessment) -> Awaited {
    let Decision::Waiting { on } = assessment.decision() else { return Awaited::Machines };
    match assessment.awaits_only_people() {
        false => Awaited::Machines,
        true if on.iter().any(|wait| matches!(wait, Wait::Approvals { .. } | Wait::Refusal { .. })) => {
            Awaited::Approvers
        }
        true => Awaited::Keepers,
    }
}

/// What waits for checks says so where our credential starts none.
async fn with_note(at: &Attempt<'_>, reply: Reply) -> Result<Reply, Failure> {
    let Reply::Park(mut park, progress) = reply else { return Ok(reply) };
    if !at.factory.forge.abilities(&at.repo).await?.starts_workflows {
        park.reason +=
            "; what our token pushes starts no workflow, and runs of GitHub Actions wait for approval";
    }
    Ok(Reply::Park(park, progress))
}
