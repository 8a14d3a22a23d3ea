//! Merges in the background: asked for once, judged and made later, looked up by their uuid.

use std::sync::Arc;

use chrono::Utc;
use serde::Deserialize;

use super::{
    host::{Host, Turn},
    merge_state::{MergeOrder, Method, OrderEnd},
    merges::{self, MergeRequest},
    pulls, queue,
    refusal::Refusal,
    stacks,
};

/// How long an ended merge can be looked up, in seconds. docs.github.com "REST API endpoints for pull requests".
const KEPT: i64 = 24 * 3600;

/// A request for a background merge.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct NewOrder {
    pub(crate) sha: Option<String>,
    pub(crate) merge_method: Option<String>,
    pub(crate) merge_action: Option<String>,
    pub(crate) commit_title: Option<String>,
    pub(crate) commit_message: Option<String>,
}

/// The answer to such a request.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It will be made.
    Accepted(MergeOrder),
    /// One is pending already, perhaps with other options.
    Pending(MergeOrder),
    /// It was merged or enqueued before.
    Before(OrderEnd),
    /// It cannot be merged.
    Refused(String),
}

/// Asks for a background merge. Rules are not looked at yet; the state of the pull request is.
pub(crate) async fn ask(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    new: NewOrder,
) -> Result<Asked, Refusal> {
    had(turn, repo)?;
    let action = new.merge_action.unwrap_or_else(|| "default".to_owned());
    let method = new.merge_method;
    if method.as_deref().is_some_and(|method| Method::parse(method).is_none()) {
        return Err(Refusal::field("PullRequest", "merge_method", "invalid"));
    }
    if !matches!(&*action, "default" | "direct_merge" | "merge_queue") {
        return Err(Refusal::field("PullRequest", "merge_action", "invalid"));
    }
    let (pull, comparison) = pulls::current(turn, repo, number).await?;
    if let Some(merge) = pull.merge {
        return Ok(Asked::Before(OrderEnd::Merged(merge.sha)));
    }
    if queue::holds(turn, repo, number)? {
        return Ok(Asked::Before(OrderEnd::Enqueued));
    }
    let pending = |order: &&MergeOrder| order.pull == number && order.end.is_none();
    if let Some(order) = turn.read(repo, |it| it.merging.orders.iter().find(pending).cloned())? {
        return Ok(Asked::Pending(order));
    }
    // The words of these two are unverified.
    if !pull.open {
        return Ok(Asked::Refused("Pull Request is closed".to_owned()));
    }
    if pull.draft {
        return Ok(Asked::Refused("Pull Request is still a draft".to_owned()));
    }
    let order = MergeOrder {
        uuid: uuid::Uuid::new_v4(),
        pull: number,
        by: actor.to_owned(),
        sha: new.sha.unwrap_or(comparison.head_sha),
        method,
        action,
        title: new.commit_title,
        message: new.commit_message,
        end: None,
        changed_at: Utc::now().timestamp(),
    };
    turn.write(repo, |it, _| it.merging.orders.push(order.clone()))?;
    start(turn, repo);
    Ok(Asked::Accepted(order))
}

/// The merge with this uuid; 404 a day after its last change.
pub(crate) fn find(host: &Host, repo: &str, number: i64, uuid: &str) -> Result<MergeOrder, Refusal> {
    had(host, repo)?;
    let oldest = Utc::now().timestamp() - KEPT;
    let is_it = |order: &&MergeOrder| {
        order.pull == number && order.uuid.to_string() == uuid && order.changed_at >= oldest
    };
    host.read(repo, |it| it.merging.orders.iter().find(is_it).cloned())?.ok_or_else(Refusal::not_found)
}

fn had(host: &Host, repo: &str) -> Result<(), Refusal> {
    if host.read(repo, |it| it.merging.has_async)? { Ok(()) } else { Err(Refusal::not_found()) }
}

/// Makes the pending merges of a repository soon, unless they are held.
pub(crate) fn start(host: &Arc<Host>, repo: &str) {
    let (host, repo) = (Arc::clone(host), repo.to_owned());
    tokio::spawn(async move {
        let turn = host.turn().await;
        if let Err(error) = run_all(&turn, &repo).await {
            tracing::error!("the twin's background merges in {repo} failed: {error}");
        }
    });
}

/// Starts the merges that an earlier twin did not make.
pub(crate) fn resume(host: &Arc<Host>) {
    for repo in host.with_state(|state| state.repositories.keys().cloned().collect::<Vec<_>>()) {
        start(host, &repo);
    }
}

async fn run_all(turn: &Turn<'_>, repo: &str) -> Result<(), Refusal> {
    loop {
        let next = turn.read(repo, |it| {
            let pending = it.merging.orders.iter().find(|order| order.end.is_none());
            pending.filter(|_| !it.merging.held).cloned()
        })?;
        let Some(order) = next else { return Ok(()) };
        let end = match run(turn, repo, &order).await {
            Ok(end) => end,
            Err(refusal) if refusal.cause.is_none() => OrderEnd::Failed(refusal.message),
            Err(broken) => return Err(broken),
        };
        turn.write(repo, |it, _| {
            if let Some(order) = it.merging.orders.iter_mut().find(|it| it.uuid == order.uuid) {
                order.end = Some(end);
                order.changed_at = Utc::now().timestamp();
            }
        })?;
    }
}

/// Now the rules are looked at.
async fn run(turn: &Turn<'_>, repo: &str, order: &MergeOrder) -> Result<OrderEnd, Refusal> {
    let (pull, comparison) = pulls::current(turn, repo, order.pull).await?;
    let demanded = queue::is_demanded(turn, repo, &pull.base_ref)?;
    if (demanded && order.action == "default") || order.action == "merge_queue" {
        if comparison.head_sha != order.sha {
            return Ok(OrderEnd::Failed(merges::HEAD_MOVED.to_owned()));
        }
        queue::add(turn, repo, &order.by, order.pull).await?;
        return Ok(OrderEnd::Enqueued);
    }
    let below = stacks::below(turn, repo, order.pull)?;
    if !below.is_empty() {
        return stacks::merge(turn, repo, order, &below).await.map(OrderEnd::Merged);
    }
    let request = MergeRequest {
        sha: Some(order.sha.clone()),
        merge_method: order.method.clone(),
        commit_title: order.title.clone(),
        commit_message: order.message.clone(),
    };
    merges::merge(turn, repo, &order.by, order.pull, request).await.map(OrderEnd::Merged)
}
