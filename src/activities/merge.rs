//! Merge: the cleared head goes into the base, or nothing does.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Failure, Reply,
    attempt::{Attempt, Before, Kind, answer, learnt},
};
use crate::{
    core::{
        policy::{Clearance, Facts, judge},
        run::Progress,
        sha::Sha,
        workflow::Outcome,
    },
    github::{Merge, Pull, PullState, text},
    store::assessment,
};

/// A merge as the ledger keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Merged {
    sha: Sha,
    head: Sha,
}

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let head = at.head()?;
    let key = format!("{}/merge", at.scope());
    let pull = at.pull().await?;
    let request = json!({ "pull": pull.number, "sha": head });
    // Intent first: should the answer of the merge be lost, the next attempt finds what it did.
    let before = at.begin::<Merged>(&key, Kind::Merge, &request).await?;
    if let Before::Done(merged) = before {
        return Ok(done(merged.sha));
    }
    if let Some(sha) = pull.merged_at(&head) {
        // Merged at the very head that was cleared: by our lost call, which is as good as ours.
        return record(at, &key, sha, head).await;
    }
    if pull.state == PullState::Closed {
        return Ok(answer(
            Outcome::Closed,
            format!("pull request #{} was closed or merged by somebody", pull.number),
        ));
    }
    if at.task.stored.run.was_sent_here() {
        return Ok(answer(
            Outcome::Moved,
            "somebody sent the run here: the head is judged anew before a merge",
        ));
    }
    if pull.head_sha != head {
        let note = format!("the head moved from {} to {}", head.short(), pull.head_sha.short());
        return Ok(answer(Outcome::Moved, note));
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

/// The clearance of this head, made anew by the policy from the facts that the verdict recorded.
async fn cleared(at: &Attempt<'_>, head: &Sha) -> Result<Option<(Facts, Clearance)>, Failure> {
    let last = assessment::last(&at.factory.pool, at.task.lease.run, "verdict").await?;
    let Some(last) = last.filter(|last| last.head_sha == head.as_str()) else { return Ok(None) };
    let facts: Facts = serde_json::from_value(last.facts)
        .map_err(|error| Failure::last(format!("read the facts of the verdict: {error}")))?;
    let reviewed = facts.review.is_some();
    let clearance = judge(&facts).clearance().filter(|clearance| reviewed && clearance.head() == head);
    Ok(clearance.map(|clearance| (facts, clearance)))
}

async fn call(at: &Attempt<'_>, key: &str, pull: &Pull, clearance: &Clearance) -> Result<Reply, Failure> {
    if at.task.lost.is_cancelled() {
        return Err(Failure::LeaseLost);
    }
    let title = format!("{} (#{})", text::line(&pull.title), pull.number);
    let message = at.signed("", key);
    match at.factory.forge.merge(&at.repo, pull.number, clearance, &title, &message).await? {
        Merge::Merged(sha) => record(at, key, sha, clearance.head().clone()).await,
        Merge::HeadMoved => Ok(answer(Outcome::Moved, "the forge says that the head moved")),
        Merge::NotMergeable { why, retry: true } => {
            Err(Failure::retry(format!("not mergeable just now: {why}")))
        }
        Merge::NotMergeable { why, retry: false } => {
            Ok(answer(Outcome::Refused, format!("the forge cannot merge: {why}")))
        }
        Merge::Forbidden { why } => {
            Ok(answer(Outcome::Refused, format!("the forge does not let us merge: {why}")))
        }
    }
}

async fn record(at: &Attempt<'_>, key: &str, sha: Sha, head: Sha) -> Result<Reply, Failure> {
    at.observe(key, &Merged { sha: sha.clone(), head }).await?;
    Ok(done(sha))
}

fn done(sha: Sha) -> Reply {
    let note = format!("merged as {}", sha.short());
    learnt(Outcome::Merged, note, Progress { merged: Some(sha), ..Progress::default() })
}
