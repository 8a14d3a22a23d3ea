//! Update: the base moved on, so it is merged into the branch; the new head is judged anew.

use serde_json::json;

use super::{
    Failure, Reply,
    attempt::{Attempt, Before, Kind, answer, learnt},
    publish::{Published, Pushed},
};
use crate::{
    core::{run::Progress, sha::Sha, workflow::Outcome},
    workspace::Merge,
};

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let head = at.head()?;
    let mirror = at.mirror().await?;
    let key = format!("{}/push", at.scope());
    let base = at.base(&mirror).await?;
    let request = json!({ "branch": at.branch(), "parent": head, "base": base });
    let intent = match at.begin::<Pushed>(&key, Kind::Push, &request).await? {
        Before::Done(pushed) => return Ok(done(&base, pushed.sha)),
        Before::Unknown(intent) | Before::Fresh(intent) => intent,
    };
    // The base of the first try, so that a second one makes the same commit.
    let meant = intent.request.get("base").and_then(|base| base.as_str()).and_then(|base| base.parse().ok());
    let base: Sha = meant.unwrap_or(base);
    let message =
        at.signed(&format!("chore: Merge {} into the branch", at.task.stored.spec.base_branch), &key);
    let sha = match mirror.merge(&head, &base, &message, intent.at).await? {
        Merge::Made(sha) => sha,
        Merge::Conflict(paths) => {
            let note = format!("{} cannot be merged into the branch: {}", base.short(), paths.join(", "));
            return Ok(answer(Outcome::Conflict, note));
        }
    };
    let tests = at.test(&mirror, &sha).await?;
    Ok(match at.push(&key, &mirror, sha, tests, Some(&head)).await? {
        Published::Done(pushed) => done(&base, pushed.sha),
        Published::Moved(_) => answer(Outcome::Moved, "somebody else moved the branch meanwhile"),
    })
}

fn done(base: &Sha, head: Sha) -> Reply {
    let note = format!("brought {} into the branch: the head is {}", base.short(), head.short());
    let progress = Progress { base: Some(base.clone()), head: Some(head), ..Progress::default() };
    learnt(Outcome::Pushed, note, progress)
}
