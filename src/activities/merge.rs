//! Merge: the cleared head is merged into the base, or nothing is.

use super::{
    Failure, Reply,
    attempt::{Attempt, answer, moved},
    facts,
    ledger::{Before, MergeIntent},
    merging,
};
use crate::{
    core::{
        policy::{Clearance, Facts, Phase, judge},
        sha::Sha,
        workflow::Outcome,
    },
    store::assessment,
};

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let head = at.head()?;
    let key = format!("{}/merge", at.scope());
    let pull = at.pull().await?;
    let intent = MergeIntent { pull: pull.number, sha: head.clone() };
    // If the response of the merge is lost, the next attempt finds the intent and looks for the merge.
    if let Before::Done(merged) = at.begin(&key, &intent).await? {
        return merging::landed(at, &key, merged).await;
    }
    if let Some(reply) = merging::settled(at, &key, &pull, &head).await? {
        return Ok(reply);
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
    merging::call(at, &key, &pull, &clearance).await
}

/// The clearance of this head, which the policy gives again for the facts that the verdict recorded.
async fn cleared(at: &Attempt<'_>, head: &Sha) -> Result<Option<(Facts, Clearance)>, Failure> {
    let last = assessment::last(&at.factory.pool, at.lease.run, Phase::Verdict.as_str()).await?;
    let Some(last) = last.filter(|last| last.head_sha == head.as_str()) else { return Ok(None) };
    let facts = facts::recorded(last.facts)?;
    let clearance = judge(&facts).clearance().filter(|clearance| clearance.head() == head);
    Ok(clearance.map(|clearance| (facts, clearance)))
}
