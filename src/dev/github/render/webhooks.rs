//! The payloads of webhooks.

use serde_json::{Value, json};

use super::{Links, actions::brief_commit, node, with};
use crate::dev::github::{
    accounts::{address_of, user_id},
    event::{
        Announcement, BriefRepository, CheckRunAction, CommentAction, Event, IssueAction, PullAction,
        RepositoryAction,
    },
    git::{Commit, Move, Signature, Touched},
    state::{CheckRun, Repository, Status},
};

impl Links {
    /// The payload of an event.
    pub(crate) fn payload(&self, it: &Announcement<'_>) -> Value {
        let own = match it.repository {
            Some(repository) => self.of_repository(repository, it),
            None => self.of_installation(it.event),
        };
        let by_app = it
            .installation
            .map_or_else(|| json!({}), |id| json!({"installation": {"id": id, "node_id": node("MDI", id)}}));
        with(with(own, by_app), json!({"sender": self.user(it.actor)}))
    }

    fn of_repository(&self, it: &Repository, announcement: &Announcement<'_>) -> Value {
        let own = match announcement.event {
            Event::Push { moved, commits } => self.push(it, announcement.actor, moved, commits),
            Event::PullRequest { action, pull, comparison } => {
                let pull_request = self.pull(it, pull, comparison);
                with(json!({"number": pull.number, "pull_request": pull_request}), pull_action(action))
            }
            Event::Review { action, review, pull, comparison } => {
                // Webhooks write the state in lower case, REST in upper case.
                let state = json!({"state": review.state.to_lowercase()});
                let pull = self.pull_simple(it, pull, &comparison.head_sha, &comparison.base_sha);
                let review = with(self.review(it, review), state);
                json!({"action": action, "review": review, "pull_request": pull})
            }
            Event::Thread { action, comments, pull, comparison } => {
                let pull = self.pull_simple(it, pull, &comparison.head_sha, &comparison.base_sha);
                let id = comments.first().map_or(0, |first| first.id);
                let comments: Vec<Value> =
                    comments.iter().map(|comment| self.review_comment(it, comment)).collect();
                let thread = json!({"node_id": node("PRRT", id), "comments": comments});
                json!({"action": action, "thread": thread, "pull_request": pull})
            }
            Event::CheckRun { action, run } => self.of_check_run(it, action, run),
            Event::CheckSuite { action, suite, head } => {
                json!({"action": action, "check_suite": self.check_suite(it, suite, Some(head))})
            }
            Event::WorkflowRun { action, run, head } => {
                let head = json!({"head_commit": brief_commit(head)});
                let run = with(self.workflow_run(it, run), head);
                json!({"action": action, "workflow_run": run, "workflow": null})
            }
            Event::Status { branches, status, commit } => self.of_status(it, branches, status, commit),
            Event::MergeGroup { action, reason, entry } => {
                let group = json!({"action": action, "merge_group": super::merges::group(entry)});
                with(group, reason.map_or_else(|| json!({}), |reason| json!({"reason": reason})))
            }
            Event::Comment { action, comment } => {
                let issue = self.commented(it, comment.issue);
                with(json!({"issue": issue, "comment": self.comment(it, comment)}), comment_action(action))
            }
            Event::Issue { action, number } => {
                with(json!({"issue": self.commented(it, *number)}), self.issue_action(it, action))
            }
            Event::Deployment { deployment } => json!({
                "action": "created", "deployment": self.deployment(it, deployment), "workflow": null, "workflow_run": null,
            }),
            Event::DeploymentStatus { deployment, status } => json!({
                "action": "created", "deployment_status": self.deployment_status(it, status),
                "deployment": self.deployment(it, deployment), "check_run": null, "workflow": null, "workflow_run": null,
            }),
            Event::Repository(action) => self.repository_action(action),
            Event::Installation { .. } | Event::InstallationRepositories { .. } => json!({}),
        };
        with(own, json!({"repository": self.repository(it), "organization": self.organization(&it.owner)}))
    }

    fn of_check_run(&self, it: &Repository, action: &CheckRunAction, run: &CheckRun) -> Value {
        // Webhooks have an empty text where REST has null.
        let external_id = json!({"external_id": run.external_id.as_deref().unwrap_or_default()});
        let shown = with(self.check_run(it, run), external_id);
        let pressed = match action {
            CheckRunAction::RequestedAction(identifier) => {
                json!({"requested_action": {"identifier": identifier}})
            }
            CheckRunAction::Created | CheckRunAction::Completed | CheckRunAction::Rerequested => json!({}),
        };
        with(json!({"action": action.as_str(), "check_run": shown}), pressed)
    }

    fn of_status(&self, it: &Repository, branches: &[String], status: &Status, commit: &Commit) -> Value {
        let sha = &status.sha;
        let on = json!({"sha": sha, "url": format!("{}/commits/{sha}", self.api(it))});
        let branches: Vec<Value> =
            branches.iter().map(|name| json!({"name": name, "commit": on, "protected": false})).collect();
        let own = json!({
            "sha": sha, "name": it.full_name(), "branches": branches, "commit": self.commit(it, commit),
        });
        with(own, self.status(it, status))
    }

    fn issue_action(&self, it: &Repository, action: &IssueAction) -> Value {
        match action {
            IssueAction::Opened => json!({"action": "opened"}),
            IssueAction::Labeled(name) => json!({"action": "labeled", "label": self.label(it, name)}),
            IssueAction::Closed => json!({"action": "closed"}),
            IssueAction::Reopened => json!({"action": "reopened"}),
        }
    }

    fn repository_action(&self, action: &RepositoryAction) -> Value {
        match action {
            RepositoryAction::Created => json!({"action": "created"}),
            RepositoryAction::Privatized => json!({"action": "privatized"}),
            RepositoryAction::Publicized => json!({"action": "publicized"}),
            RepositoryAction::Renamed(from) => {
                json!({"action": "renamed", "changes": {"repository": {"name": {"from": from}}}})
            }
            RepositoryAction::Transferred(from) => json!({
                "action": "transferred",
                "changes": {"owner": {"from": {"organization": self.organization(from)}}},
            }),
        }
    }

    fn of_installation(&self, event: &Event) -> Value {
        let brief = |it: &BriefRepository| {
            let name = it.full_name.split('/').next_back();
            json!({"id": it.id, "node_id": node("R", it.id), "name": name, "full_name": it.full_name, "private": it.private})
        };
        match event {
            Event::Installation { action, app, installation, repositories } => json!({
                "action": action, "installation": self.installation(app, installation),
                "repositories": repositories.iter().map(brief).collect::<Vec<_>>(), "requester": null,
            }),
            Event::InstallationRepositories { action, app, installation, repositories } => {
                let moved: Vec<Value> = repositories.iter().map(brief).collect();
                let (added, removed) = if *action == "added" { (moved, vec![]) } else { (vec![], moved) };
                let installation = self.installation(app, installation);
                json!({
                    "action": action, "repository_selection": installation["repository_selection"],
                    "installation": installation, "repositories_added": added, "repositories_removed": removed,
                    "requester": null,
                })
            }
            _ => json!({}),
        }
    }

    /// The owner of repositories, which the twin takes for an organization.
    fn organization(&self, login: &str) -> Value {
        let api = format!("{}/orgs/{login}", self.base);
        let id = user_id(login);
        json!({
            "login": login, "id": id, "node_id": node("O", id), "url": api, "repos_url": format!("{api}/repos"),
            "events_url": format!("{api}/events"), "hooks_url": format!("{api}/hooks"),
            "issues_url": format!("{api}/issues"), "members_url": format!("{api}/members{{/member}}"),
            "public_members_url": format!("{api}/public_members{{/member}}"),
            "avatar_url": format!("{}/avatars/{id}", self.base), "description": null,
        })
    }

    fn push(&self, it: &Repository, actor: &str, moved: &Move, commits: &[(Touched, Commit)]) -> Value {
        let (absent, page) = ("0".repeat(40), self.page(it));
        let before = moved.before.as_deref().unwrap_or(&absent);
        let after = moved.after.as_deref().unwrap_or(&absent);
        let person = |by: &Signature| json!({"name": by.name, "email": by.email});
        let shown: Vec<Value> = commits
            .iter()
            .map(|(touched, commit)| {
                json!({
                    "id": commit.sha, "tree_id": commit.tree, "distinct": true, "message": commit.message,
                    "timestamp": commit.committer.date, "url": format!("{page}/commit/{}", commit.sha),
                    "author": person(&commit.author), "committer": person(&commit.committer),
                    "added": touched.added, "removed": touched.removed, "modified": touched.modified,
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

fn comment_action(action: &CommentAction) -> Value {
    match action {
        CommentAction::Created => json!({"action": "created"}),
        CommentAction::Edited { before } => {
            json!({"action": "edited", "changes": {"body": {"from": before}}})
        }
        CommentAction::Deleted => json!({"action": "deleted"}),
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
