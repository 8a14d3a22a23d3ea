//! Reviews and their comments on lines.

use serde_json::{Value, json};

use super::{Links, association, node};
use crate::dev::github::state::{Repository, Review, ReviewComment};

impl Links {
    /// A review.
    pub(crate) fn review(&self, it: &Repository, review: &Review) -> Value {
        let pull = format!("{}/pulls/{}", self.api(it), review.pull);
        let page = format!("{}#pullrequestreview-{}", self.pull_page(it, review.pull), review.id);
        let mut shown = json!({
            "id": review.id, "node_id": node("PRR", review.id), "user": self.author(it, &review.author),
            "body": review.body,
            "state": review.state, "html_url": page, "pull_request_url": pull,
            "_links": {"html": {"href": page}, "pull_request": {"href": pull}},
            "commit_id": Some(&review.commit_id).filter(|id| !id.is_empty()),
            "author_association": association(it, &review.author),
        });
        // A pending review has no such field.
        if let Some(at) = &review.submitted_at {
            shown["submitted_at"] = json!(at);
        }
        shown
    }

    /// A comment on a line.
    pub(crate) fn review_comment(&self, it: &Repository, comment: &ReviewComment) -> Value {
        let url = format!("{}/pulls/comments/{}", self.api(it), comment.id);
        let pull = format!("{}/pulls/{}", self.api(it), comment.pull);
        let page = format!("{}#discussion_r{}", self.pull_page(it, comment.pull), comment.id);
        let start_side = comment.start_line.map(|_| &comment.side);
        let mut shown = json!({
            "url": url, "pull_request_review_id": comment.review, "id": comment.id, "node_id": node("PRRC", comment.id),
            "diff_hunk": comment.diff_hunk, "path": comment.path, "position": comment.position,
            "original_position": comment.position, "commit_id": comment.commit_id,
            "original_commit_id": comment.commit_id, "user": self.author(it, &comment.author), "body": comment.body,
            "created_at": comment.created_at, "updated_at": comment.created_at, "html_url": page,
            "pull_request_url": pull, "author_association": association(it, &comment.author),
            "_links": {"self": {"href": url}, "html": {"href": page}, "pull_request": {"href": pull}},
            "start_line": comment.start_line, "original_start_line": comment.start_line, "start_side": start_side,
            "line": comment.line, "original_line": comment.line, "side": comment.side, "subject_type": "line",
            "reactions": self.reactions(&url),
        });
        // The first comment of a thread has no such field.
        if let Some(answered) = comment.answers {
            shown["in_reply_to_id"] = json!(answered);
        }
        shown
    }
}
