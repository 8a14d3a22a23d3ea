//! Merges: of a pull request into its base, and of the base into its head.

use http::StatusCode;
use serde::Deserialize;

use super::{
    accounts::address_of,
    event::PullAction,
    git::{Comparison, Move},
    host::{Host, Turn},
    pulls::{self, owner_of},
    push,
    refusal::Refusal,
    rules,
    state::Pull,
};

/// A request to merge a pull request.
#[derive(Debug, Deserialize)]
pub(crate) struct MergeRequest {
    sha: Option<String>,
    merge_method: Option<String>,
    commit_title: Option<String>,
    commit_message: Option<String>,
}

/// Merges a pull request; answers the commit on its base.
pub(crate) async fn merge(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    request: MergeRequest,
) -> Result<String, Refusal> {
    let (pull, comparison) = pulls::current(turn, repo, number).await?;
    refuse_unmergeable(&pull, &comparison, request.sha.as_deref())?;
    let (head, base) = (comparison.head_sha.as_str(), comparison.base_sha.as_str());
    let git = turn.git(repo);
    let tree = git.merged_tree(base, head).await?;
    let tree = tree.ok_or_else(|| Refusal::not_mergeable("Pull Request is not mergeable"))?;
    let method = request.merge_method.as_deref().unwrap_or("merge");
    if let Some(refusal) = turn.read(repo, |it| rules::refusal(it, &pull, &comparison, actor, method))? {
        return Err(refusal);
    }
    let both = [base, head];
    let (parents, title) = match request.merge_method.as_deref() {
        None | Some("merge") => {
            let from = format!("{}/{}", owner_of(repo), pull.head_ref);
            (&both[..], format!("Merge pull request #{number} from {from}"))
        }
        Some("squash") => (&both[..1], format!("{} (#{number})", pull.title)),
        Some(other) => {
            let message = format!("{other} merges are not allowed on this repository.");
            return Err(Refusal::not_mergeable(&message));
        }
    };
    let title = request.commit_title.unwrap_or(title);
    let message = format!("{title}\n\n{}", request.commit_message.unwrap_or_else(|| pull.title.clone()));
    let sha = git.commit_tree(&tree, parents, &message, (actor, &address_of(actor))).await?;
    land(turn, repo, actor, &pull, &comparison, &sha).await?;
    Ok(sha)
}

fn refuse_unmergeable(pull: &Pull, comparison: &Comparison, sha: Option<&str>) -> Result<(), Refusal> {
    if !pull.open {
        return Err(Refusal::not_mergeable("Pull Request is not mergeable"));
    }
    if pull.draft {
        return Err(Refusal::not_mergeable("Pull Request is still a draft"));
    }
    if sha.is_some_and(|sha| sha != comparison.head_sha) {
        let message = "Head branch was modified. Review and try the merge again.";
        return Err(Refusal::new(StatusCode::CONFLICT, message));
    }
    Ok(())
}

/// Records the merge, then moves the base. If the twin is killed in between, [`recover`] moves it.
async fn land(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    pull: &Pull,
    comparison: &Comparison,
    sha: &str,
) -> Result<(), Refusal> {
    pulls::mark_merged(turn, repo, actor, pull.number, comparison, sha)?;
    let before = &comparison.base_sha;
    turn.git(repo).move_branch(&pull.base_ref, sha, Some(before)).await?;
    let moved =
        Move { branch: pull.base_ref.clone(), before: Some(before.clone()), after: Some(sha.to_owned()) };
    pulls::announce(turn, repo, actor, pull.number, PullAction::Closed).await?;
    push::moved(turn, repo, actor, &[moved]).await
}

/// Merges the base of a pull request into its head.
pub(crate) async fn update_branch(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    expected_head: Option<&str>,
) -> Result<(), Refusal> {
    let (pull, comparison) = pulls::current(turn, repo, number).await?;
    let (head, base) = (comparison.head_sha.as_str(), comparison.base_sha.as_str());
    let refuse = |message: &str| Err(Refusal::rule("PullRequest", message));
    if expected_head.is_some_and(|expected| expected != head) {
        return refuse("expected head sha didn’t match current head ref.");
    }
    let git = turn.git(repo);
    if !pull.open || git.ahead(head, base).await? == 0 {
        return refuse("There are no new commits on the base branch.");
    }
    let Some(tree) = git.merged_tree(head, base).await? else {
        return refuse("merge conflict between base and head");
    };
    let message = format!("Merge branch '{}' into {}", pull.base_ref, pull.head_ref);
    let after = git.commit_tree(&tree, &[head, base], &message, (actor, &address_of(actor))).await?;
    push::advance(turn, repo, actor, &pull.head_ref, head, &after).await
}

/// Finishes what a killed twin had begun: merges whose base did not move yet, pushes that no pull request
/// followed.
pub(crate) async fn recover(turn: &Turn<'_>) -> Result<(), Refusal> {
    let host: &Host = turn;
    for repo in host.with_state(|state| state.repositories.keys().cloned().collect::<Vec<_>>()) {
        for pull in host.read(&repo, |it| it.pulls.clone())? {
            recover_pull(turn, &repo, &pull).await?;
        }
    }
    Ok(())
}

async fn recover_pull(turn: &Turn<'_>, repo: &str, pull: &Pull) -> Result<(), Refusal> {
    let git = turn.git(repo);
    let base = git.branch(&pull.base_ref).await?;
    match &pull.merge {
        Some(merge) if base.as_ref() == Some(&pull.base_sha) => {
            push::advance(turn, repo, &merge.by, &pull.base_ref, &pull.base_sha, &merge.sha).await
        }
        None if pull.open => match git.branch(&pull.head_ref).await? {
            Some(head) if head != pull.head_sha => {
                pulls::synchronize(turn, repo, &pull.author, pull, &head).await
            }
            Some(_) | None => Ok(()),
        },
        Some(_) | None => Ok(()),
    }
}
