//! Merge queues: a pull request is merged with those before it on a branch of its own, checked there, and then
//! lands or is thrown out.

use std::sync::Arc;

use super::{
    accounts::address_of,
    event::{Event, PullAction},
    git::Move,
    host::{Host, Turn},
    merge_state::{Queued, Removal},
    pulls, push,
    refusal::Refusal,
    rules,
    state::now,
};

/// The account by which GitHub merges what its queue lands.
const QUEUE: &str = "github-merge-queue[bot]";

/// Whether this branch takes merges from its queue alone.
pub(crate) fn is_demanded(host: &Host, repo: &str, branch: &str) -> Result<bool, Refusal> {
    host.read(repo, |it| rules::of_branch(it, branch).iter().any(|(_, rules)| rules.merge_queue))
}

/// Whether a pull request is in a queue.
pub(crate) fn holds(host: &Host, repo: &str, number: i64) -> Result<bool, Refusal> {
    host.read(repo, |it| it.merging.queue.iter().any(|entry| entry.pull == number))
}

/// Adds a pull request at the end of the queue of its base.
pub(crate) async fn add(turn: &Turn<'_>, repo: &str, actor: &str, number: i64) -> Result<(), Refusal> {
    let (pull, comparison) = pulls::current(turn, repo, number).await?;
    if turn.read(repo, |it| rules::state(it, &pull, &comparison))? == "blocked" {
        return Err(Refusal::not_mergeable("Repository rule violations found"));
    }
    let git = turn.git(repo);
    let last = turn.read(repo, |it| {
        it.merging.queue.iter().rev().find(|entry| entry.base_ref == pull.base_ref).map(|it| it.group.clone())
    })?;
    let parent = last.unwrap_or(comparison.base_sha);
    let tree = git.merged_tree(&parent, &comparison.head_sha).await?;
    let tree = tree.ok_or_else(|| Refusal::not_mergeable("Pull Request is not mergeable"))?;
    let message = format!("Merge pull request #{number} from {}", pull.head_ref);
    let by = (QUEUE, &*address_of(QUEUE));
    let group = git.commit_tree(&tree, &[&parent, &comparison.head_sha], &message, by).await?;
    let branch = format!("gh-readonly-queue/{}/pr-{number}-{parent}", pull.base_ref);
    git.move_branch(&branch, &group, None).await?;
    let entry =
        Queued { pull: number, base_ref: pull.base_ref, branch, parent, head: comparison.head_sha, group };
    turn.write(repo, |it, _| {
        it.merging.removals.remove(&number);
        it.merging.queue.push(entry.clone());
    })?;
    pulls::announce(turn, repo, actor, number, PullAction::Enqueued).await?;
    announce(turn, repo, "checks_requested", None, &entry)?;
    start(turn, repo);
    Ok(())
}

/// Lands what is in the queues soon, unless they are held.
pub(crate) fn start(host: &Arc<Host>, repo: &str) {
    let (host, repo) = (Arc::clone(host), repo.to_owned());
    tokio::spawn(async move {
        let turn = host.turn().await;
        if let Err(error) = land_all(&turn, &repo).await {
            tracing::error!("the twin's merge queue in {repo} failed: {error}");
        }
    });
}

async fn land_all(turn: &Turn<'_>, repo: &str) -> Result<(), Refusal> {
    loop {
        let next =
            turn.read(repo, |it| it.merging.queue.first().filter(|_| !it.merging.queue_held).cloned())?;
        let Some(entry) = next else { return Ok(()) };
        let base = turn.git(repo).branch(&entry.base_ref).await?;
        let (pull, comparison) = pulls::current(turn, repo, entry.pull).await?;
        if !pull.open || comparison.head_sha != entry.head || base.as_deref() != Some(&entry.parent) {
            remove(turn, repo, entry.pull, "BRANCH_PROTECTIONS").await?;
        } else {
            land(turn, repo, &entry).await?;
        }
    }
}

async fn land(turn: &Turn<'_>, repo: &str, entry: &Queued) -> Result<(), Refusal> {
    let git = turn.git(repo);
    let (_, comparison) = pulls::current(turn, repo, entry.pull).await?;
    turn.write(repo, |it, _| it.merging.queue.retain(|other| other.pull != entry.pull))?;
    pulls::mark_merged(turn, repo, QUEUE, entry.pull, &comparison, &entry.group)?;
    git.move_branch(&entry.base_ref, &entry.group, Some(&entry.parent)).await?;
    git.delete_branch(&entry.branch, &entry.group).await?;
    pulls::announce(turn, repo, QUEUE, entry.pull, PullAction::Closed).await?;
    announce(turn, repo, "destroyed", Some("merged"), entry)?;
    let moved = Move {
        branch: entry.base_ref.clone(),
        before: Some(entry.parent.clone()),
        after: Some(entry.group.clone()),
    };
    push::moved(turn, repo, QUEUE, &[moved]).await
}

/// Throws a pull request out of its queue; `reason` is one of `pull_request.dequeued`.
pub(crate) async fn remove(turn: &Turn<'_>, repo: &str, number: i64, reason: &str) -> Result<(), Refusal> {
    let entry = turn.write(repo, |it, _| {
        let at = it.merging.queue.iter().position(|entry| entry.pull == number)?;
        let removal = Removal { reason: reason.to_owned(), at: now() };
        it.merging.removals.insert(number, removal);
        Some(it.merging.queue.remove(at))
    })?;
    let Some(entry) = entry else { return Err(Refusal::not_found()) };
    turn.git(repo).delete_branch(&entry.branch, &entry.group).await?;
    pulls::announce(turn, repo, QUEUE, number, PullAction::Dequeued { reason: reason.to_owned() }).await?;
    Ok(announce(turn, repo, "destroyed", Some("dequeued"), &entry)?)
}

fn announce(
    turn: &Turn<'_>,
    repo: &str,
    action: &'static str,
    reason: Option<&'static str>,
    entry: &Queued,
) -> anyhow::Result<()> {
    turn.announce(repo, QUEUE, &Event::MergeGroup { action, reason, entry: entry.clone() })
}
