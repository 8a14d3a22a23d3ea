//! Issues, and comments in the conversations of issues and pull requests.

use serde_json::{Value, json};

use super::{Links, association, escape, node, with};
use crate::dev::github::{
    accounts::user_id,
    state::{Comment, Issue, Reaction, Repository, TimelineEvent},
};

impl Links {
    /// A comment in a conversation; the app's own ones name the app.
    pub(crate) fn comment(&self, it: &Repository, comment: &Comment) -> Value {
        let api = self.api(it);
        let url = format!("{api}/issues/comments/{}", comment.id);
        let reactions: Vec<&Reaction> = it.reactions.iter().filter(|it| it.comment == comment.id).collect();
        json!({
            "id": comment.id, "node_id": node("IC", comment.id), "url": url, "body": comment.body,
            "html_url": format!("{}#issuecomment-{}", self.pull_page(it, comment.issue), comment.id),
            "user": self.author(it, &comment.author), "created_at": comment.created_at, "updated_at": comment.updated_at,
            "issue_url": format!("{api}/issues/{}", comment.issue),
            "author_association": association(it, &comment.author),
            "performed_via_github_app": comment.author.strip_suffix("[bot]").map(|slug| self.app(slug)),
            "reactions": self.counted_reactions(&url, &reactions),
        })
    }

    /// A reaction to a comment.
    pub(crate) fn reaction(&self, reaction: &Reaction) -> Value {
        json!({
            "id": reaction.id, "node_id": node("REA", reaction.id), "user": self.user(&reaction.author),
            "content": reaction.content, "created_at": reaction.created_at,
        })
    }

    /// What a comment is on, as its webhook shows it: an issue, or a pull request as an issue.
    pub(crate) fn commented(&self, it: &Repository, number: i64) -> Value {
        let Some(pull) = it.pull(number) else {
            let issue = it.issues.iter().find(|issue| issue.number == number);
            return with(
                issue.map_or(Value::Null, |issue| self.issue(it, issue)),
                self.no_reactions(it, number),
            );
        };
        let as_issue = Issue {
            id: pull.id,
            number,
            title: pull.title.clone(),
            body: pull.body.clone(),
            author: pull.author.clone(),
            labels: Vec::new(),
            created_at: pull.created_at.clone(),
            closed_at: None,
            state_reason: None,
        };
        let page = self.pull_page(it, number);
        let links = json!({
            "url": format!("{}/pulls/{number}", self.api(it)), "html_url": page,
            "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"), "merged_at": pull.merge.as_ref().map(|merge| &merge.at),
        });
        let own = json!({
            "pull_request": links, "draft": pull.draft, "html_url": page, "closed_at": pull.closed_at,
            "state": if pull.open { "open" } else { "closed" },
        });
        with(with(self.issue(it, &as_issue), own), self.no_reactions(it, number))
    }

    fn no_reactions(&self, it: &Repository, number: i64) -> Value {
        json!({"reactions": self.reactions(&format!("{}/issues/{number}", self.api(it)))})
    }

    /// An event in the timeline of a pull request.
    pub(crate) fn timeline_event(&self, it: &Repository, event: &TimelineEvent) -> Value {
        let api = self.api(it);
        json!({
            "id": event.id, "node_id": node("HRFPE", event.id), "url": format!("{api}/issues/events/{}", event.id),
            "actor": self.user(&event.actor), "event": event.event, "commit_id": event.commit_id,
            "commit_url": format!("{api}/commits/{}", event.commit_id), "created_at": event.created_at,
            "performed_via_github_app": null,
        })
    }

    /// An issue.
    pub(crate) fn issue(&self, it: &Repository, issue: &Issue) -> Value {
        let api = self.api(it);
        let url = format!("{api}/issues/{}", issue.number);
        let updated_at = issue.closed_at.as_ref().unwrap_or(&issue.created_at);
        json!({
            "id": issue.id, "node_id": node("I", issue.id), "url": url, "repository_url": api,
            "labels_url": format!("{url}/labels{{/name}}"), "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"), "html_url": format!("{}/issues/{}", self.page(it), issue.number),
            "number": issue.number, "state": if issue.closed_at.is_none() { "open" } else { "closed" }, "state_reason": issue.state_reason, "title": issue.title, "body": issue.body,
            "user": self.user(&issue.author), "labels": issue.labels.iter().map(|name| self.label(it, name)).collect::<Vec<_>>(),
            "assignee": null, "assignees": [], "milestone": null, "locked": false, "active_lock_reason": null,
            "comments": it.comments.iter().filter(|comment| comment.issue == issue.number).count(),
            "closed_at": issue.closed_at, "created_at": issue.created_at, "updated_at": updated_at,
            "author_association": association(it, &issue.author),
        })
    }
    /// A label of issues.
    pub(crate) fn label(&self, it: &Repository, name: &str) -> Value {
        json!({
            "id": user_id(name), "node_id": node("LA", user_id(name)), "url": format!("{}/labels/{}", self.api(it), escape(name)),
            "name": name, "description": null, "color": "ededed", "default": false,
        })
    }
}
