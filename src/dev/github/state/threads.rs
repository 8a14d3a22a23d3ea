//! Threads of comments on lines: a first comment and its answers.

use super::{Repository, ReviewComment};

impl Repository {
    /// The first comments of the threads of a pull request, oldest first. Those of drafts are no threads yet.
    pub(crate) fn threads(&self, pull: i64) -> impl Iterator<Item = &ReviewComment> {
        let is_draft =
            |id: i64| self.reviews.iter().any(|review| review.id == id && review.state == "PENDING");
        self.review_comments
            .iter()
            .filter(move |it| it.pull == pull && it.answers.is_none() && !is_draft(it.review))
    }

    /// The comments of a thread, oldest first, by the id of its first one.
    pub(crate) fn thread(&self, first: i64) -> Vec<&ReviewComment> {
        let is_in = |comment: &&ReviewComment| comment.id == first || comment.answers == Some(first);
        self.review_comments.iter().filter(is_in).collect()
    }

    /// Whether a thread of a pull request is open.
    pub(crate) fn has_open_thread(&self, pull: i64) -> bool {
        self.threads(pull).any(|first| !self.resolved.contains_key(&first.id))
    }
}
