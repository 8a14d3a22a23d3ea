//! Merge: the cleared head is merged into the base, or nothing is.

use super::{
    Failure, Reply,
    attempt::{Attempt, answer, answer_with, moved},
    facts,
    ledger::{Before, MergeIntent, Merged},
};
use crate::{
    core::{
        policy::{Clearance, Facts, Phase, PullState, judge},
        run::Progress,
        sha::Sha,
        workflow::Outcome,
    },
    github::{Merge, Pull, text},
    store::assessment,
};

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let head = at.head()?;
    let key = format!("{}/merge", at.scope());
    let pull = at.pull().await?;
    let intent = MergeIntent { pull: pull.number, sha: head.clone() };
    // If the response of the merge is lost, the next attempt finds the intent and looks for the merge.
    if let Before::Done(merged) = at.begin(&key, &intent).await? {
        return Ok(done(merged.sha));
    }
    if let Some(sha) = pull.merged_at(&head) {
        // Merged at the very head that was cleared, most likely by our call whose response was lost.
        return record(at, &key, sha, head).await;
    }
    if pull.state != PullState::Open {
        let note = format!("pull request #{} was closed, or merged by someone else", pull.number);
        return Ok(answer(Outcome::Closed, note));
    }
    if at.run().was_sent_here() {
        let note = "the run was sent here by hand: the head is judged again before a merge";
        return Ok(answer(Outcome::Moved, note));
    }
    if pull.head_sha != head {
        return Ok(moved(&head, &pull.head_sha));
    }
    let Some((facts, clearance)) = cleared(at, &head).await? else {
        return Ok(answer(Outcome::Moved, format!("{} has no clearance", head.short())));
    };
    let base = at.base(&at.mirror().await?).await?;
    if base != *clearance.base() && judge(&Facts { up_to_date: false, ..facts }).clearance().is_none() {
        return Ok(answer(Outcome::Behind, format!("the base moved to {} after the verdict", base.short())));
    }
    call(at, &key, &pull, &clearance).await
}

/// The clearance of this head, which the policy gives again for the facts that the verdict recorded.
async fn cleared(at: &Attempt<'_>, head: &Sha) -> Result<Option<(Facts, Clearance)>, Failure> {
    let last = assessment::last(&at.factory.pool, at.lease.run, Phase::Verdict.as_str()).await?;
    let Some(last) = last.filter(|last| last.head_sha == head.as_str()) else { return Ok(None) };
    let facts = facts::recorded(last.facts)?;
    let clearance = judge(&facts).clearance().filter(|clearance| clearance.head() == head);
    Ok(clearance.map(|clearance| (facts, clearance)))
}

async fn call(at: &Attempt<'_>, key: &str, pull: &Pull, clearance: &Clearance) -> Result<Reply, Failure> {
    at.check_lease()?;
    let title = format!("{} (#{})", text::line(&pull.title), pull.number);
    let message = at.signed("", key);
    match at.factory.forge.merge(&at.repo, pull.number, clearance, &title, &message).await? {
        Merge::Merged(sha) => record(at, key, sha, clearance.head().clone()).await,
        Merge::HeadMoved => Ok(answer(Outcome::Moved, "the forge says that the head moved")),
        Merge::NotMergeable { why, retry: true } => {
            Err(Failure::retry(format!("not mergeable right now: {why}")))
        }
        Merge::NotMergeable { why, retry: false } => {
            Ok(answer(Outcome::Refused, format!("the forge cannot merge: {why}")))
        }
        Merge::Forbidden { why } => {
            Ok(answer(Outcome::Refused, format!("the forge does not allow us to merge: {why}")))
        }
    }
}

async fn record(at: &Attempt<'_>, key: &str, sha: Sha, head: Sha) -> Result<Reply, Failure> {
    at.observe::<MergeIntent>(key, &Merged { sha: sha.clone(), head }).await?;
    Ok(done(sha))
}

fn done(sha: Sha) -> Reply {
    let note = format!("merged as {}", sha.short());
    answer_with(Outcome::Merged, note, Progress { merged: Some(sha), ..Progress::default() })
}
