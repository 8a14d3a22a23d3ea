//! Verdict: the final gate. Everything the policy demands of this head, or a wait for it.

use std::time::Duration;

use super::{
    Failure, Polling, Reply,
    attempt::{Attempt, answer, learnt},
    facts,
};
use crate::core::{
    policy::{Decision, Stop, judge},
    run::{Park, Progress, Topic},
    workflow::Outcome,
};

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let (head, pull) = (at.head()?, at.pull().await?);
    let mirror = at.mirror().await?;
    let facts = at.facts(&mirror, &pull).await?;
    let assessment = judge(&facts);
    // Recorded before anything follows from it: a merge rests on what is written down.
    facts::keep(at, "verdict", &facts, &assessment).await?;
    let closed = matches!(assessment.decision(), Decision::Stopped { reason: Stop::Closed | Stop::Merged });
    if !closed {
        at.report_gate(&assessment).await?;
        if facts.head != head {
            let note = format!("the head moved from {} to {}", head.short(), facts.head.short());
            return Ok(answer(Outcome::Moved, note));
        }
        // Whatever the tier demands: somebody may have skipped the review or sent the run here past it.
        if facts.review.is_none() {
            return Ok(answer(Outcome::Moved, format!("{} has not been reviewed", head.short())));
        }
    }
    let outcome = match assessment.decision() {
        Decision::Clear => Outcome::Cleared,
        Decision::Waiting { .. } => return Ok(park(at, assessment.sentence())),
        Decision::Behind => Outcome::Behind,
        Decision::Blocked { remediable, .. } if !remediable.is_empty() => Outcome::Blocked,
        Decision::Blocked { .. } => Outcome::Stopped,
        Decision::Stopped { reason: Stop::Closed | Stop::Merged } => Outcome::Closed,
        Decision::Stopped { .. } => Outcome::Stopped,
    };
    let progress =
        Progress { base: Some(facts.base.clone()), tier: Some(assessment.tier()), ..Progress::default() };
    Ok(learnt(outcome, assessment.sentence(), progress))
}

fn park(at: &Attempt<'_>, sentence: String) -> Reply {
    let now = at.task.stored.now;
    let since = at.task.stored.run.state.entered().unwrap_or(now);
    let waited = (now - since).to_std().unwrap_or_default();
    let reason = sentence.strip_prefix("waiting for ").map(str::to_owned).unwrap_or(sentence);
    let park = Park {
        reason,
        topics: vec![Topic::Checks, Topic::Reviews, Topic::Pull, Topic::Push],
        until: now + rest(waited, at.factory.polling),
    };
    Reply::Park(park, Progress::default())
}

fn rest(waited: Duration, polling: Polling) -> Duration {
    (waited / 4).clamp(polling.least, polling.most)
}
