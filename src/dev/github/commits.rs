//! Commits that GitHub makes on a branch by itself, and signs.

use super::{
    accounts::{WEB_FLOW, address_of},
    git::Git,
    host::Turn,
    incoming::Update,
    push,
    push_rules::{self, Declined, Pusher},
    refusal::Refusal,
};

/// A commit to make: docs.github.com/graphql `CreateCommitOnBranchInput`.
#[derive(Debug)]
pub(crate) struct NewCommit {
    pub(crate) branch: String,
    pub(crate) expected_head: String,
    pub(crate) message: String,
    /// Whole files by path.
    pub(crate) additions: Vec<(String, Vec<u8>)>,
    pub(crate) deletions: Vec<String>,
}

/// Why a commit was not made.
#[derive(Debug)]
pub(crate) enum NotMade {
    NoBranch,
    /// The branch is at another commit than the one that was expected.
    Stale,
    /// A path to delete is not at this commit.
    NoPath(String),
    Declined(Declined),
}

/// Makes a commit on a branch; answers its SHA. The rules of the branch hold as for a push.
pub(crate) async fn commit_on_branch(
    turn: &Turn<'_>,
    repo: &str,
    pusher: Pusher<'_>,
    new: &NewCommit,
) -> Result<Result<String, NotMade>, Refusal> {
    let git = turn.git(repo);
    let Some(before) = git.branch(&new.branch).await? else { return Ok(Err(NotMade::NoBranch)) };
    if before != new.expected_head {
        return Ok(Err(NotMade::Stale));
    }
    let paths = git.paths(&before).await?;
    if new.deletions.iter().any(|path| !paths.contains(path)) {
        return Ok(Err(NotMade::NoPath(before)));
    }
    let after = commit(&git, &before, pusher.login, new).await?;
    turn.write(repo, |it, _| it.verified.insert(after.clone()))?;
    let update = Update {
        reference: format!("refs/heads/{}", new.branch),
        before: Some(before.clone()),
        after: Some(after.clone()),
    };
    if let Err(declined) = push_rules::inspect(turn, repo, &git, pusher, &[update]).await? {
        return Ok(Err(NotMade::Declined(declined)));
    }
    push::advance(turn, repo, pusher.login, &new.branch, &before, &after).await?;
    Ok(Ok(after))
}

/// Every file that is added or replaced becomes a plain one: "100755 becomes 100644" was seen.
async fn commit(git: &Git, parent: &str, login: &str, new: &NewCommit) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    for (path, bytes) in &new.additions {
        lines.extend(git.index_line("100644", path, bytes).await?);
    }
    for path in &new.deletions {
        lines.extend(format!("0 {}\t{path}\0", "0".repeat(40)).into_bytes());
    }
    let tree = git.tree_with(Some(parent), &lines).await?;
    let by = ((login, &*address_of(login)), WEB_FLOW);
    git.commit_tree_by(&tree, &[parent], &new.message, by).await
}
