//! Stacks of pull requests: each is based on the one below, and a merge takes all below with it.
//!
//! Written after GitHub's description (a public preview); what a stack does beyond it is unverified.

use serde::Deserialize;
use serde_json::json;

use super::{
    accounts::address_of,
    event::PullAction,
    git::Move,
    host::{Host, Turn},
    merge_state::{MergeOrder, Stack},
    pulls, push,
    refusal::Refusal,
    state::{Pull, Repository, now},
};

/// A stack to be made.
#[derive(Debug, Deserialize)]
pub(crate) struct NewStack {
    /// Numbers, from the bottom to the top.
    pub(crate) pull_requests: Vec<i64>,
}

/// Makes a stack; answers its number.
pub(crate) async fn create(turn: &Turn<'_>, repo: &str, actor: &str, new: NewStack) -> Result<i64, Refusal> {
    let numbers = new.pull_requests;
    if !(2..=100).contains(&numbers.len()) {
        return Err(Refusal::field("Stack", "pull_requests", "invalid"));
    }
    let layers = turn.read(repo, |it| numbers.iter().map(|number| layer(it, *number)).collect::<Vec<_>>())?;
    let missing = numbers.iter().zip(&layers).filter(|(_, layer)| layer.is_none()).map(|(number, _)| *number);
    let missing: Vec<i64> = missing.collect();
    if !missing.is_empty() {
        let error =
            json!({"resource": "Stack", "field": "pull_requests", "code": "missing", "value": missing});
        return Err(Refusal { errors: vec![error], ..Refusal::new(UNPROCESSABLE, "Validation Failed") });
    }
    let layers: Vec<Pull> = layers.into_iter().flatten().collect();
    refuse_stacked(turn, repo, &numbers)?;
    if layers.windows(2).any(|pair| pair[1].base_ref != pair[0].head_ref || !pair[0].open || !pair[1].open) {
        let message =
            "Pull requests must form a stack, where each PR's base ref is the previous PR's head ref";
        return Err(Refusal::new(UNPROCESSABLE, message));
    }
    let base = layers[0].base_ref.clone();
    let number = turn.write(repo, |it, ids| {
        let number = it.new_number();
        let pulls = numbers.clone();
        it.merging.stacks.push(Stack { id: ids.next(), number, base, pulls, created_at: now() });
        number
    })?;
    for pull in numbers {
        pulls::announce(turn, repo, actor, pull, PullAction::Stacked).await?;
    }
    Ok(number)
}

const UNPROCESSABLE: http::StatusCode = http::StatusCode::UNPROCESSABLE_ENTITY;

fn layer(it: &Repository, number: i64) -> Option<Pull> {
    it.pull(number).cloned()
}

fn refuse_stacked(host: &Host, repo: &str, numbers: &[i64]) -> Result<(), Refusal> {
    let stacked =
        |it: &Repository| numbers.iter().copied().find(|number| it.merging.stack_of(*number).is_some());
    match host.read(repo, stacked)? {
        Some(number) => {
            let message = format!("Pull request #{number} is already part of a stack");
            Err(Refusal::new(UNPROCESSABLE, &message))
        }
        None => Ok(()),
    }
}

/// The open pull requests that a merge of this one takes along, from the bottom up, without itself.
pub(crate) fn below(host: &Host, repo: &str, number: i64) -> Result<Vec<i64>, Refusal> {
    host.read(repo, |it| {
        let Some(stack) = it.merging.stack_of(number) else { return Vec::new() };
        let below = stack.pulls.iter().copied().take_while(|pull| *pull != number);
        below.filter(|pull| it.pull(*pull).is_some_and(|pull| pull.open)).collect()
    })
}

/// Merges a pull request and all below it into the base of the stack, or nothing; answers the last commit.
pub(crate) async fn merge(
    turn: &Turn<'_>,
    repo: &str,
    order: &MergeOrder,
    below: &[i64],
) -> Result<String, Refusal> {
    let git = turn.git(repo);
    let stack = turn.read(repo, |it| it.merging.stack_of(order.pull).cloned())?;
    let base = stack.ok_or_else(Refusal::not_found)?.base;
    let before = git.branch(&base).await?.ok_or_else(Refusal::not_found)?;
    let (mut tip, mut made) = (before.clone(), Vec::new());
    for number in below.iter().chain([&order.pull]) {
        let (pull, comparison) = pulls::current(turn, repo, *number).await?;
        if pull.draft {
            return Err(Refusal::not_mergeable("Pull Request is still a draft"));
        }
        if *number == order.pull && comparison.head_sha != order.sha {
            return Err(Refusal::not_mergeable("Head branch was modified. Review and try the merge again."));
        }
        let tree = git.merged_tree(&tip, &comparison.head_sha).await?;
        let tree = tree.ok_or_else(|| Refusal::not_mergeable("Pull Request is not mergeable"))?;
        let message = format!("{} (#{number})", pull.title);
        let by = (order.by.as_str(), &*address_of(&order.by));
        let sha = git.commit_tree(&tree, &[&tip, &comparison.head_sha], &message, by).await?;
        tip.clone_from(&sha);
        made.push((*number, comparison, sha));
    }
    for (number, comparison, sha) in &made {
        pulls::mark_merged(turn, repo, &order.by, *number, comparison, sha)?;
    }
    git.move_branch(&base, &tip, Some(&before)).await?;
    for (number, ..) in &made {
        pulls::announce(turn, repo, &order.by, *number, PullAction::Closed).await?;
    }
    let moved = Move { branch: base, before: Some(before), after: Some(tip.clone()) };
    push::moved(turn, repo, &order.by, &[moved]).await?;
    Ok(tip)
}

/// Points the layer above a merged pull request at the base of the stack.
pub(crate) fn settle(turn: &Turn<'_>, repo: &str, merged: &Pull) -> Result<(), Refusal> {
    turn.write(repo, |it, _| {
        let Some(stack) = it.merging.stack_of(merged.number).cloned() else { return };
        for pull in it.pulls.iter_mut().filter(|pull| pull.open && pull.base_ref == merged.head_ref) {
            if stack.pulls.contains(&pull.number) {
                pull.base_ref.clone_from(&stack.base);
            }
        }
    })?;
    Ok(())
}
