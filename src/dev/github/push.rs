//! What follows from branches that moved: a push event, and pull requests that follow their branches.

use std::collections::{BTreeMap, BTreeSet};

use super::{event::Event, git::Move, host::Turn, pulls, refusal::Refusal, state::now};

/// What a push changed, from the branches before and after it.
pub(crate) fn moves(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Move> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let all = names.into_iter().map(|branch| Move {
        branch: branch.clone(),
        before: before.get(branch).cloned(),
        after: after.get(branch).cloned(),
    });
    all.filter(|moved| moved.before != moved.after).collect()
}

/// Does what GitHub does after branches moved.
pub(crate) async fn moved(turn: &Turn<'_>, repo: &str, actor: &str, moves: &[Move]) -> Result<(), Refusal> {
    for moved in moves {
        turn.write(repo, |it, _| it.pushed_at = now())?;
        announce(turn, repo, actor, moved).await?;
        pulls::follow(turn, repo, actor, moved).await?;
    }
    turn.moved.send_modify(|count| *count += 1);
    Ok(())
}

/// Moves a branch, and does what follows.
pub(crate) async fn advance(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    branch: &str,
    before: &str,
    after: &str,
) -> Result<(), Refusal> {
    turn.git(repo).move_branch(branch, after, Some(before)).await?;
    let moved =
        Move { branch: branch.to_owned(), before: Some(before.to_owned()), after: Some(after.to_owned()) };
    self::moved(turn, repo, actor, &[moved]).await
}

async fn announce(turn: &Turn<'_>, repo: &str, actor: &str, moved: &Move) -> anyhow::Result<()> {
    let git = turn.git(repo);
    let commits = match (&moved.before, &moved.after) {
        (Some(before), Some(after)) => git.commits(&format!("{before}..{after}"), false).await?,
        (None, Some(after)) => git.commits(after, true).await?,
        (_, None) => Vec::new(),
    };
    let mut pushed = Vec::new();
    for commit in commits {
        pushed.push((git.touched(&commit.sha).await?, commit));
    }
    turn.announce(repo, actor, &Event::Push { moved: moved.clone(), commits: pushed })
}
