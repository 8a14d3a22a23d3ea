//! Update: the base has moved, so it is merged into the branch; the new head is judged again.

mod signed;

use super::{
    Failure, Reply,
    attempt::{Attempt, answer, answer_with},
    ledger::{self, BasePushIntent, Before},
    publish::Published,
};
use crate::{
    core::{run::Progress, sha::Sha, workflow::Outcome},
    store::effect,
    workspace::Merge,
};

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let head = at.head()?;
    let mirror = at.mirror().await?;
    let key = at.push_key(1);
    let base = at.base(&mirror).await?;
    let intent = BasePushIntent {
        branch: at.branch().to_owned(),
        parent: head.clone(),
        base: base.clone(),
        is_signed: at.forge_signs().await?,
    };
    let recorded = match at.begin(&key, &intent).await? {
        Before::Done(pushed) => return Ok(done(&merged_base(at, &key).await?.unwrap_or(base), pushed.sha)),
        Before::Unknown(recorded) | Before::Fresh(recorded) => recorded,
    };
    // The base of the first attempt, so that every attempt makes the same commit.
    let base = recorded.intent.base.clone();
    let message = at.signed(&format!("chore: Merge {} into the branch", at.stored.spec.base_branch), &key);
    let sha = match mirror.merge(&head, &base, &message, recorded.at).await? {
        Merge::Made(sha) => sha,
        Merge::Conflict(paths) => {
            let note = format!("{} cannot be merged into the branch: {}", base.short(), paths.join(", "));
            return Ok(answer(Outcome::Conflict, note));
        }
    };
    if recorded.intent.is_signed && sha != head {
        return signed::merge(at, &mirror, &key, &head, recorded.at).await;
    }
    let tests = at.tests_of(&mirror, &sha).await?;
    Ok(match at.push(&key, &mirror, sha, tests, Some(&head)).await? {
        Published::Done(pushed) => done(&base, pushed.sha),
        Published::Declined(complaint) => return Err(Failure::last(complaint.what)),
        Published::Moved(_) => moved(),
    })
}

fn moved() -> Reply {
    answer(Outcome::Moved, "the branch was moved by someone else")
}

/// The base that a recorded push merged, which may be older than the newest by now.
async fn merged_base(at: &Attempt<'_>, key: &str) -> Result<Option<Sha>, Failure> {
    let row = effect::get(&at.factory.pool, at.lease.run, key).await?;
    row.map(|row| ledger::intent::<BasePushIntent>(key, row.request).map(|intent| intent.base)).transpose()
}

fn done(base: &Sha, head: Sha) -> Reply {
    let note = format!("merged {} into the branch: the head is {}", base.short(), head.short());
    let progress = Progress { base: Some(base.clone()), head: Some(head), ..Progress::default() };
    answer_with(Outcome::Pushed, note, progress)
}
