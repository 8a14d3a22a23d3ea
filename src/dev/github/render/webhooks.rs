//! The payloads of webhooks.

use serde_json::{Value, json};

use super::{Links, with};
use crate::dev::github::{
    accounts::address_of,
    event::{Event, PullAction},
    git::{Commit, Move, Signature},
    state::Repository,
};

impl Links {
    /// The payload of an event in a repository, caused by an actor.
    pub(crate) fn payload(&self, it: &Repository, actor: &str, event: &Event) -> Value {
        let own = match event {
            Event::Push { moved, commits } => self.push(it, actor, moved, commits),
            Event::PullRequest { action, pull, comparison } => {
                let pull_request = self.pull(it, pull, comparison);
                with(json!({"number": pull.number, "pull_request": pull_request}), pull_action(action))
            }
            Event::Review { action, review, pull, comparison } => json!({
                "action": action, "review": self.review(it, review), "pull_request": self.pull(it, pull, comparison),
            }),
            Event::CheckRun { action, run } => {
                json!({"action": action, "check_run": self.check_run(it, run)})
            }
            Event::CheckSuite { action, suite } => {
                json!({"action": action, "check_suite": self.check_suite(it, suite, None)})
            }
            Event::WorkflowRun { action, run } => {
                json!({"action": action, "workflow_run": self.workflow_run(it, run), "workflow": null})
            }
            Event::Status { branches, status } => {
                let branches: Vec<Value> = branches.iter().map(|name| json!({"name": name})).collect();
                let commit = json!({"sha": status.sha, "name": it.full_name(), "branches": branches});
                with(commit, self.status(it, status))
            }
            Event::MergeGroup { action, reason, entry } => {
                let group = json!({"action": action, "merge_group": super::merges::group(entry)});
                with(group, reason.map_or_else(|| json!({}), |reason| json!({"reason": reason})))
            }
            Event::Comment { action, comment } => {
                let shown = self.comment(it, comment);
                let (url, page) = (&shown["issue_url"], &shown["html_url"]);
                let issue = json!({"number": comment.issue, "url": url, "html_url": page});
                json!({"action": action, "issue": issue, "comment": shown})
            }
        };
        with(own, json!({"repository": self.repository(it), "sender": self.user(actor)}))
    }

    fn push(&self, it: &Repository, actor: &str, moved: &Move, commits: &[Commit]) -> Value {
        let (absent, page) = ("0".repeat(40), self.page(it));
        let before = moved.before.as_deref().unwrap_or(&absent);
        let after = moved.after.as_deref().unwrap_or(&absent);
        let person = |by: &Signature| json!({"name": by.name, "email": by.email});
        let shown: Vec<Value> = commits
            .iter()
            .map(|commit| {
                json!({
                    "id": commit.sha, "tree_id": commit.tree, "distinct": true, "message": commit.message,
                    "timestamp": commit.committer.date, "url": format!("{page}/commit/{}", commit.sha),
                    "author": person(&commit.author), "committer": person(&commit.committer),
                    "added": [], "removed": [], "modified": [],
                })
            })
            .collect();
        json!({
            "ref": format!("refs/heads/{}", moved.branch), "before": before, "after": after, "base_ref": null,
            "created": moved.before.is_none(), "deleted": moved.after.is_none(), "forced": false,
            "compare": format!("{page}/compare/{before}...{after}"),
            "head_commit": shown.last(), "commits": shown,
            "pusher": {"name": actor, "email": address_of(actor)},
        })
    }
}

fn pull_action(action: &PullAction) -> Value {
    match action {
        PullAction::Opened => json!({"action": "opened"}),
        PullAction::Edited { base: None } => json!({"action": "edited", "changes": {}}),
        PullAction::Edited { base: Some(base) } => json!({
            "action": "edited",
            "changes": {"base": {"ref": {"from": base.branch}, "sha": {"from": base.sha}}},
        }),
        PullAction::ConvertedToDraft => json!({"action": "converted_to_draft"}),
        PullAction::ReadyForReview => json!({"action": "ready_for_review"}),
        PullAction::Closed => json!({"action": "closed"}),
        PullAction::Reopened => json!({"action": "reopened", "changes": {}}),
        PullAction::Stacked => json!({"action": "stacked"}),
        PullAction::Enqueued => json!({"action": "enqueued"}),
        PullAction::Dequeued { reason } => json!({"action": "dequeued", "reason": reason}),
        PullAction::Synchronize { before, after } => {
            json!({"action": "synchronize", "before": before, "after": after})
        }
    }
}
