//! Pull requests.

use serde_json::{Value, json};

use super::{Links, association, node, with};
use crate::dev::github::{
    git::Comparison,
    mergeability::{self, merge_commit},
    state::{Pull, Repository},
};

/// By how much the number of a fork is above that of its parent.
const FORKS: i64 = 1_000_000;

impl Links {
    /// A pull request as it is in a list.
    pub(crate) fn pull_simple(&self, it: &Repository, pull: &Pull, head_sha: &str, base_sha: &str) -> Value {
        let api = self.api(it);
        let url = format!("{api}/pulls/{}", pull.number);
        let issue = format!("{api}/issues/{}", pull.number);
        let page = self.pull_page(it, pull.number);
        let (commits, comments) = (format!("{url}/commits"), format!("{issue}/comments"));
        let (on_lines, on_line) = (format!("{url}/comments"), format!("{api}/pulls/comments{{/number}}"));
        let statuses = format!("{api}/statuses/{head_sha}");
        let link = |href: &str| json!({"href": href});
        let fields = json!({
            "url": url, "id": pull.id, "node_id": node("PR", pull.id), "html_url": page,
            "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"), "issue_url": issue,
            "number": pull.number, "state": if pull.open { "open" } else { "closed" }, "locked": false,
            "title": pull.title, "user": self.user(&pull.author), "body": pull.body,
            "created_at": pull.created_at, "updated_at": pull.updated_at, "closed_at": pull.closed_at,
            "merged_at": pull.merge.as_ref().map(|merge| &merge.at),
            "merge_commit_sha": merge_commit(it, pull, head_sha, base_sha)
        });
        let more = json!({
            "assignee": null, "assignees": [], "requested_reviewers": [], "requested_teams": [], "labels": [],
            "milestone": null, "draft": pull.draft, "commits_url": commits, "review_comments_url": on_lines,
            "review_comment_url": on_line, "comments_url": comments, "statuses_url": statuses,
            "head": self.head(it, pull, head_sha), "base": self.side(it, &pull.base_ref, base_sha),
            "_links": {
                "self": link(&url), "html": link(&page), "issue": link(&issue), "comments": link(&comments),
                "review_comments": link(&on_lines), "review_comment": link(&on_line), "commits": link(&commits),
                "statuses": link(&statuses),
            },
            "author_association": association(it, &pull.author), "auto_merge": null, "active_lock_reason": null,
            "stack": super::merges::place(it, pull.number),
        });
        let mut shown = with(fields, more);
        if it.lost_forks.contains(&pull.number) {
            shown["head"]["repo"] = Value::Null;
        }
        if it.deleted_accounts.contains(&pull.author) {
            shown["user"] = self.user("ghost");
        }
        shown
    }

    /// A pull request in full.
    pub(crate) fn pull(&self, it: &Repository, pull: &Pull, comparison: &Comparison) -> Value {
        let mergeability::Mergeability { mergeable, state } = mergeability::shown(it, pull, comparison);
        let more = json!({
            "merged": pull.merge.is_some(), "mergeable": mergeable, "rebaseable": mergeable,
            "mergeable_state": state, "merged_by": pull.merge.as_ref().map(|merge| self.user(&merge.by)),
            "comments": it.comments.iter().filter(|comment| comment.issue == pull.number).count(),
            "review_comments": it.review_comments.iter().filter(|comment| comment.pull == pull.number).count(),
            "maintainer_can_modify": false, "commits": comparison.commits, "additions": comparison.additions,
            "deletions": comparison.deletions, "changed_files": comparison.changed_files,
        });
        with(self.pull_simple(it, pull, &comparison.head_sha, &comparison.base_sha), more)
    }

    fn head(&self, it: &Repository, pull: &Pull, sha: &str) -> Value {
        let mut side = self.side(it, &pull.head_ref, sha);
        if let Some(owner) = &pull.fork {
            side["label"] = json!(format!("{owner}:{}", pull.head_ref));
            side["user"] = self.user(owner);
            side["repo"] = self.fork(it, owner);
        }
        side
    }

    /// The repository of another account that was forked from this one: as this one, under another owner and number.
    fn fork(&self, it: &Repository, owner: &str) -> Value {
        let fork = Repository { owner: owner.to_owned(), id: it.id + FORKS, ..it.clone() };
        with(self.repository(&fork), json!({"fork": true}))
    }

    fn side(&self, it: &Repository, branch: &str, sha: &str) -> Value {
        json!({
            "label": format!("{}:{branch}", it.owner), "ref": branch, "sha": sha,
            "user": self.user(&it.owner), "repo": self.repository(it),
        })
    }

    /// A pull request as it is in a check run.
    pub(super) fn pull_minimal(&self, it: &Repository, pull: &Pull) -> Value {
        let url = self.api(it);
        let side = |branch: &str, sha: &str| json!({"ref": branch, "sha": sha, "repo": {"id": it.id, "url": url, "name": it.name}});
        json!({
            "id": pull.id, "number": pull.number, "url": format!("{url}/pulls/{}", pull.number),
            "head": side(&pull.head_ref, &pull.head_sha), "base": side(&pull.base_ref, &pull.base_sha),
        })
    }
}
