//! Merges: of a pull request into its base, and of the base into its head.

use http::StatusCode;
use serde::Deserialize;

use super::{
    accounts::address_of,
    event::PullAction,
    git::{Comparison, Move},
    host::{Host, Turn},
    issues,
    merge_state::Method,
    pulls::{self, owner_of},
    push,
    refusal::Refusal,
    rules, stacks,
    state::Pull,
};

/// GitHub's words where a head is not the expected one.
pub(crate) const HEAD_MOVED: &str = "Head branch was modified. Review and try the merge again.";

/// A request to merge a pull request.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct MergeRequest {
    pub(crate) sha: Option<String>,
    pub(crate) merge_method: Option<String>,
    pub(crate) commit_title: Option<String>,
    pub(crate) commit_message: Option<String>,
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
    refuse_blocked(turn, repo, number)?;
    if !stacks::below(turn, repo, number)?.is_empty() {
        return Err(Refusal::not_mergeable("Pull Request is not mergeable"));
    }
    let method = method_of(turn, repo, request.merge_method.as_deref())?;
    let refusal = turn.read(repo, |it| rules::refusal(it, &pull, &comparison, actor, method.as_str()))?;
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let sha = commit(turn, repo, actor, (&pull, &comparison), method, request).await?;
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
        return Err(Refusal::new(StatusCode::CONFLICT, HEAD_MOVED));
    }
    Ok(())
}

/// What tests made `blocked` is refused as a ruleset refuses it, also to those who may bypass it.
fn refuse_blocked(host: &Host, repo: &str, number: i64) -> Result<(), Refusal> {
    match host.read(repo, |it| it.merging.forced.get(&number).cloned())?.as_deref() {
        Some("blocked") => Err(Refusal::not_mergeable("Repository rule violations found")),
        Some(_) | None => Ok(()),
    }
}

/// The method that a request names, if the repository allows it.
fn method_of(host: &Host, repo: &str, name: Option<&str>) -> Result<Method, Refusal> {
    let unknown = || Refusal::field("PullRequest", "merge_method", "invalid");
    let method = Method::parse(name.unwrap_or("merge")).ok_or_else(unknown)?;
    if host.read(repo, |it| it.merging.methods.contains(&method))? {
        return Ok(method);
    }
    Err(Refusal::not_mergeable(match method {
        Method::Merge => "Merge commits are not allowed on this repository.",
        Method::Squash => "Squash merges are not allowed on this repository.",
        Method::Rebase => "Rebase merges are not allowed on this repository.",
    }))
}

/// Makes the commit that the base will move to.
async fn commit(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    (pull, comparison): (&Pull, &Comparison),
    method: Method,
    request: MergeRequest,
) -> Result<String, Refusal> {
    let (git, by) = (turn.git(repo), (actor, &*address_of(actor)));
    let (head, base) = (comparison.head_sha.as_str(), comparison.base_sha.as_str());
    let conflict = || Refusal::not_mergeable("Pull Request is not mergeable");
    let (parents, title) = match method {
        Method::Rebase => return git.replay(base, head, by).await?.ok_or_else(conflict),
        Method::Squash => (vec![base], format!("{} (#{})", pull.title, pull.number)),
        Method::Merge => {
            let from = format!("{}/{}", owner_of(repo), pull.head_ref);
            (vec![base, head], format!("Merge pull request #{} from {from}", pull.number))
        }
    };
    let tree = git.merged_tree(base, head).await?.ok_or_else(conflict)?;
    let title = request.commit_title.unwrap_or(title);
    let message = format!("{title}\n\n{}", request.commit_message.unwrap_or_else(|| pull.title.clone()));
    Ok(git.commit_tree(&tree, &parents, &message, by).await?)
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
    if turn.write(repo, |it, _| std::mem::take(&mut it.merging.loses))? {
        return pulls::announce(turn, repo, actor, pull.number, PullAction::Closed).await;
    }
    let before = &comparison.base_sha;
    turn.git(repo).move_branch(&pull.base_ref, sha, Some(before)).await?;
    let moved =
        Move { branch: pull.base_ref.clone(), before: Some(before.clone()), after: Some(sha.to_owned()) };
    stacks::settle(turn, repo, pull)?;
    pulls::announce(turn, repo, actor, pull.number, PullAction::Closed).await?;
    issues::close_by(turn, repo, actor, pull)?;
    push::moved(turn, repo, actor, &[moved]).await
}

/// Why the base of a pull request cannot be merged into its head: 422, as GitHub answers at once.
pub(crate) async fn refuse_update(
    host: &Host,
    repo: &str,
    number: i64,
    expected_head: Option<&str>,
) -> Result<(), Refusal> {
    let (pull, comparison) = pulls::current(host, repo, number).await?;
    let refuse = |message: &str| Err(Refusal::rule("PullRequest", message));
    if expected_head.is_some_and(|expected| expected != comparison.head_sha) {
        return refuse("expected head sha didn’t match current head ref.");
    }
    if !pull.open || !comparison.behind {
        return refuse("There are no new commits on the base branch.");
    }
    let git = host.git(repo);
    if git.merged_tree(&comparison.base_sha, &comparison.head_sha).await?.is_none() {
        return refuse("merge conflict between base and head");
    }
    Ok(())
}

/// Merges the base of a pull request into its head. GitHub has answered before it does this.
pub(crate) async fn update_branch(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
) -> Result<(), Refusal> {
    let (pull, comparison) = pulls::current(turn, repo, number).await?;
    let (head, base) = (comparison.head_sha.as_str(), comparison.base_sha.as_str());
    let git = turn.git(repo);
    let Some(tree) = git.merged_tree(head, base).await? else { return Ok(()) };
    let message = format!("Merge branch '{}' into {}", pull.base_ref, pull.head_ref);
    let after = git.commit_tree(&tree, &[head, base], &message, (actor, &address_of(actor))).await?;
    turn.write(repo, |it, _| it.verified.insert(after.clone()))?;
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
        None if pull.open && pull.fork.is_none() => match git.branch(&pull.head_ref).await? {
            Some(head) if head != pull.head_sha => {
                pulls::synchronize(turn, repo, &pull.author, pull, &head).await
            }
            Some(_) | None => Ok(()),
        },
        Some(_) | None => Ok(()),
    }
}
