//! The second look: right before a merge every fact is gathered again, judged and recorded.
//!
//! A run may sleep for days between its verdict and its merge: behind a rate limit, a pause, a crash or the turn
//! of another merge. A review, a check, a draft, the policy or the target branch may have changed meanwhile.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Failure, Reply,
    attempt::{Attempt, answer, moved},
    facts, merging,
};
use crate::{
    core::{
        policy::{Assessment, Clearance, Decision, Facts, Phase, PullState, judge},
        sha::Sha,
        workflow::Outcome,
    },
    github::Pull,
    store::{self, assessment},
};

/// How old the facts of a clearance may be at the merge call, by the database's clock.
const LONGEST_AGE: TimeDelta = TimeDelta::seconds(10);
/// How often an attempt gathers facts that were too old, or were no longer true, once they were judged.
const MOST_LOOKS: u32 = 3;

/// What the second look found.
pub(super) enum SecondLook {
    /// The head may be merged now.
    Cleared(Box<Pull>, Clearance),
    /// It may not be merged, or needs no merge.
    Over(Reply),
}

/// Looks until the facts of a clearance are still true and no older than 10 s.
///
/// `key` is that of the merge, for one that turns out to have been made.
pub(super) async fn second_look(at: &Attempt<'_>, key: &str, head: &Sha) -> Result<SecondLook, Failure> {
    let Some(cleared) = clearance_of_verdict(at, head).await? else {
        let note = format!("{} has no clearance", head.short());
        return Ok(SecondLook::Over(answer(Outcome::Moved, note)));
    };
    for _ in 0..MOST_LOOKS {
        let (pull, facts) = at.look().await?;
        let assessment = judge(&facts);
        // Recorded before anything follows from it.
        facts::record(at, &facts, &assessment).await?;
        if let Some(why) = is_no_longer_ours(at, &facts).await? {
            return Ok(SecondLook::Over(answer(Outcome::Moved, why)));
        }
        let clearance = match confirmed(at, key, &cleared, (&facts, &assessment), &pull).await? {
            Ok(clearance) => clearance,
            Err(over) => return Ok(SecondLook::Over(over)),
        };
        // The target branch is in no condition of the merge call, so it is read last.
        let last = at.pull().await?;
        if facts::is_same(&pull, &last) && !is_stale(at, facts.at).await? {
            return Ok(SecondLook::Cleared(Box::new(last), clearance));
        }
    }
    let age = LONGEST_AGE.num_seconds();
    Err(Failure::retry(format!("{MOST_LOOKS} times the facts changed or were over {age} s old when judged")))
}

/// Why a pull request of others is not ours to merge any more.
async fn is_no_longer_ours(at: &Attempt<'_>, facts: &Facts) -> Result<Option<&'static str>, Failure> {
    let Some(theirs) = at.brief.theirs() else { return Ok(None) };
    if !theirs.is_merged_by_us(&facts.head) {
        return Ok(Some("the settings changed after the verdict: it is left to its people"));
    }
    let is_other = at.resettled(facts).await?.is_some();
    Ok(is_other.then_some("other products' settings count for it than at the verdict"))
}

/// The clearance that the policy gives again for the facts which the last verdict on this head recorded.
async fn clearance_of_verdict(at: &Attempt<'_>, head: &Sha) -> Result<Option<Clearance>, Failure> {
    let last = assessment::last(&at.factory.pool, at.lease.run, Phase::Verdict.as_str()).await?;
    let Some(last) = last.filter(|last| last.head_sha == head.as_str()) else { return Ok(None) };
    let facts = facts::recorded(last.facts)?;
    Ok(judge(&facts).clearance().filter(|clearance| clearance.head() == head))
}

/// The clearance of the facts as they are now, or the answer where there is none or its policy is another.
async fn confirmed(
    at: &Attempt<'_>,
    key: &str,
    cleared: &Clearance,
    (facts, assessment): (&Facts, &Assessment),
    pull: &Pull,
) -> Result<Result<Clearance, Reply>, Failure> {
    if pull.state != PullState::Open {
        // A merge of ours may have come through late; then it is recorded.
        let settled = merging::settled(at, key, pull, cleared.head()).await?;
        return Ok(Err(settled.unwrap_or_else(|| answer(Outcome::Closed, assessment.sentence()))));
    }
    if facts.head != *cleared.head() {
        return Ok(Err(moved(cleared.head(), &facts.head)));
    }
    let Some(clearance) = assessment.clearance() else {
        at.report_gate(facts, assessment).await?;
        return Ok(Err(no_longer_clear(facts, assessment)));
    };
    if clearance.policy_digest() != cleared.policy_digest() {
        return Ok(Err(answer(Outcome::Moved, "the policy at the base changed after the verdict")));
    }
    Ok(Ok(clearance))
}

fn no_longer_clear(facts: &Facts, assessment: &Assessment) -> Reply {
    match assessment.decision() {
        Decision::Behind => {
            let base = facts.base.short();
            answer(Outcome::Behind, format!("the base moved to {base} after the verdict"))
        }
        Decision::Clear | Decision::Waiting { .. } | Decision::Blocked { .. } | Decision::Stopped { .. } => {
            answer(Outcome::Moved, format!("no longer cleared: {}", assessment.sentence()))
        }
    }
}

/// Whether facts that were gathered from `since` on are too old to merge by.
async fn is_stale(at: &Attempt<'_>, since: DateTime<Utc>) -> Result<bool, Failure> {
    let mut connection = at.factory.pool.acquire().await?;
    Ok(store::now(&mut connection).await? - since > LONGEST_AGE)
}
