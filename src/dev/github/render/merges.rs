//! Background merges.

use serde_json::{Value, json};

use super::{Links, node};
use crate::dev::github::{
    merge_state::{MergeOrder, OrderEnd, Queued, Stack},
    state::{Pull, Repository},
};

/// A merge group of a queue.
pub(crate) fn group(entry: &Queued) -> Value {
    json!({
        "head_sha": entry.group, "head_ref": format!("refs/heads/{}", entry.branch), "base_sha": entry.parent,
        "base_ref": format!("refs/heads/{}", entry.base_ref),
        "head_commit": {
            "id": entry.group, "tree_id": entry.group, "message": format!("Merge pull request #{}", entry.pull),
            "timestamp": "2026-01-01T00:00:00Z", "author": null, "committer": null,
        },
    })
}

/// The place of a pull request in its stack, or null.
pub(super) fn place(it: &Repository, number: i64) -> Value {
    let Some(stack) = it.merging.stack_of(number) else { return Value::Null };
    let position = stack.pulls.iter().position(|pull| *pull == number).map(|at| at + 1);
    let base = it.pull(stack.pulls[0]).map_or("", |pull| pull.base_sha.as_str());
    json!({
        "base": {"ref": stack.base, "sha": base}, "size": stack.pulls.len(), "position": position,
        "id": stack.id, "number": stack.number,
    })
}

impl Links {
    /// A stack.
    pub(crate) fn stack(&self, it: &Repository, stack: &Stack) -> Value {
        let pulls: Vec<&Pull> = stack.pulls.iter().filter_map(|number| it.pull(*number)).collect();
        let layer = |pull: &&Pull| {
            json!({
                "id": pull.id, "number": pull.number, "state": if pull.open { "open" } else { "closed" },
                "draft": pull.draft, "merged_at": pull.merge.as_ref().map(|merge| &merge.at),
                "head": {"ref": pull.head_ref, "sha": pull.head_sha},
            })
        };
        json!({
            "id": stack.id, "number": stack.number, "node_id": node("S", stack.id),
            "url": format!("{}/stacks/{}", self.api(it), stack.number), "base": {"ref": stack.base},
            "open": pulls.iter().any(|pull| pull.open), "created_at": stack.created_at,
            "pull_requests": pulls.iter().map(layer).collect::<Vec<_>>(),
        })
    }
}

/// A background merge that was asked for.
pub(crate) fn order(order: &MergeOrder) -> Value {
    match &order.end {
        Some(end) => self::end(end),
        None => json!({"status": "pending", "details": {
            "message": "Merge is pending", "uuid": order.uuid,
            "merge_method": order.method.as_deref().unwrap_or("default"), "merge_action": order.action,
            "expected_head_sha": order.sha,
        }}),
    }
}

/// The end of a background merge.
pub(crate) fn end(end: &OrderEnd) -> Value {
    match end {
        OrderEnd::Merged(sha) => json!({"status": "merged", "details": {
            "message": "Pull Request successfully merged", "sha": sha,
        }}),
        OrderEnd::Enqueued => json!({"status": "enqueued", "details": {
            "message": "Pull Request was added to the merge queue",
        }}),
        OrderEnd::Failed(message) => json!({"status": "failed", "details": {"message": message}}),
    }
}
