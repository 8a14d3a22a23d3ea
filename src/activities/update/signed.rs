//! The merge of the base into a branch that accepts signed commits only: the forge makes it, and answers before it does.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    super::{Failure, Reply, attempt::Attempt, ledger::Pushed, publish::Published, wait::wait_for_forge},
    done, moved,
};
use crate::{
    core::sha::Sha,
    github::Kind,
    workspace::{Merge, Mirror, Push},
};

/// How long the forge may take to merge after its yes: it was seen to take seconds.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Lets the forge merge the newest base into `head`; `since` is when this was first intended.
pub(super) async fn merge(
    at: &Attempt<'_>,
    mirror: &Mirror,
    key: &str,
    head: &Sha,
    since: DateTime<Utc>,
) -> Result<Reply, Failure> {
    let Some(now) = mirror.branch(at.branch()).await? else { return Ok(moved()) };
    if now == *head {
        return ask(at, head, since).await;
    }
    let Some(base) = merged_base(at, mirror, head, &now).await? else { return Ok(moved()) };
    let tests = at.tests_of(mirror, &now).await?;
    Ok(match at.pushed(key, Pushed { sha: now, tests, branched_from: None }, Push::Done).await? {
        Published::Done(pushed) => done(&base, pushed.sha),
        Published::Declined(_) | Published::Moved(_) => moved(),
    })
}

/// Asks for the merge. Asking again changes nothing, since the forge compares the head.
async fn ask(at: &Attempt<'_>, head: &Sha, since: DateTime<Utc>) -> Result<Reply, Failure> {
    let base = &at.stored.spec.base_branch;
    let waiting = format!("the forge, which merges `{base}` into the branch");
    if (at.stored.now - since).to_std().unwrap_or_default() > PATIENCE {
        return Err(Failure::retry(format!(
            "{waiting}, has not done so in {} minutes",
            PATIENCE.as_secs() / 60
        )));
    }
    let number = at.progress().pull.ok_or_else(|| Failure::last("the run has no pull request yet"))?;
    at.check_lease()?;
    match at.factory.forge.update_branch(&at.repo, number, head).await {
        Ok(()) => Ok(wait_for_forge(at, waiting, since)),
        // The branch or the base has moved since they were fetched, most likely.
        Err(error) if error.kind() == Kind::Validation => Err(Failure::retry(error)),
        Err(error) => Err(error.into()),
    }
}

/// The base that a commit merges into `head`, if it is such a merge, and holds what git's own merge does.
async fn merged_base(
    at: &Attempt<'_>,
    mirror: &Mirror,
    head: &Sha,
    merge: &Sha,
) -> Result<Option<Sha>, Failure> {
    let [first, second] = &mirror.parents(merge).await?[..] else { return Ok(None) };
    if first != head || !mirror.is_ancestor(second, &at.base(mirror).await?).await? {
        return Ok(None);
    }
    let Merge::Made(ours) = mirror.merge(head, second, "the tree of a merge", DateTime::UNIX_EPOCH).await?
    else {
        return Ok(None);
    };
    let is_same = mirror.tree_of(&ours).await? == mirror.tree_of(merge).await?;
    Ok(is_same.then(|| second.clone()))
}
