//! Issues, and comments in the conversations of issues and pull requests.

use serde_json::{Value, json};

use super::{Links, association, escape, node};
use crate::dev::github::{
    accounts::user_id,
    state::{Comment, Issue, Repository, TimelineEvent},
};

impl Links {
    /// A comment in a conversation; the app's own ones name the app.
    pub(crate) fn comment(&self, it: &Repository, comment: &Comment) -> Value {
        let api = self.api(it);
        let url = format!("{api}/issues/comments/{}", comment.id);
        json!({
            "id": comment.id, "node_id": node("IC", comment.id), "url": url, "body": comment.body,
            "html_url": format!("{}#issuecomment-{}", self.pull_page(it, comment.issue), comment.id),
            "user": self.author(it, &comment.author), "created_at": comment.created_at, "updated_at": comment.updated_at,
            "issue_url": format!("{api}/issues/{}", comment.issue),
            "author_association": association(it, &comment.author),
            "performed_via_github_app": comment.author.strip_suffix("[bot]").map(|slug| self.app(slug)),
            "reactions": self.reactions(&url),
        })
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
        let label = |name: &String| {
            json!({"id": user_id(name), "node_id": node("LA", user_id(name)), "url": format!("{api}/labels/{}", escape(name)),
                "name": name, "description": null, "color": "ededed", "default": false})
        };
        json!({
            "id": issue.id, "node_id": node("I", issue.id), "url": url, "repository_url": api,
            "labels_url": format!("{url}/labels{{/name}}"), "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"), "html_url": format!("{}/issues/{}", self.page(it), issue.number),
            "number": issue.number, "state": "open", "state_reason": null, "title": issue.title, "body": issue.body,
            "user": self.user(&issue.author), "labels": issue.labels.iter().map(label).collect::<Vec<_>>(),
            "assignee": null, "assignees": [], "milestone": null, "locked": false, "active_lock_reason": null,
            "comments": it.comments.iter().filter(|comment| comment.issue == issue.number).count(),
            "closed_at": null, "created_at": issue.created_at, "updated_at": issue.created_at,
            "author_association": association(it, &issue.author),
        })
    }
}
