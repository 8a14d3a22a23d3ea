//! Reviews of a pull request and their comments on lines.
//!
//! Ours are posted as COMMENT, never as APPROVE: a model can be talked into an approval.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Account, Error, Forge, route, sha_or_none, text, text::Marker, text_or_empty};
use crate::core::{path::RepoPath, policy::ApprovalState, requirement::RepoName, sha::Sha};

/// One review.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Review {
    /// GitHub's number.
    pub id: u64,
    /// The author; `None` if the account was deleted.
    pub user: Option<Account>,
    /// What it says; `None` for a draft and for a state that we do not know, which approves nothing.
    #[serde(deserialize_with = "state")]
    pub state: Option<ApprovalState>,
    /// The commit that it is about, and no other.
    #[serde(default, deserialize_with = "sha_or_none")]
    pub commit_id: Option<Sha>,
    /// When it was submitted; `None` for a draft.
    #[serde(default)]
    pub submitted_at: Option<DateTime<Utc>>,
    /// Markdown.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub body: String,
}

/// One comment on a line of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReviewComment {
    /// GitHub's number.
    pub id: u64,
    /// The review that it belongs to.
    #[serde(default, rename = "pull_request_review_id")]
    pub review: Option<u64>,
    /// The comment that it answers.
    #[serde(default, rename = "in_reply_to_id")]
    pub answers: Option<u64>,
    /// The file.
    pub path: String,
    /// The line on the head; `None` once the line has changed, and for a comment on a whole file.
    #[serde(default)]
    pub line: Option<u32>,
    /// Markdown.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub body: String,
}

/// A review to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReview {
    /// The commit that was reviewed.
    pub commit: Sha,
    /// Markdown; cut at 65,536 characters, but never the marker.
    pub body: String,
    /// By which [`Forge::find_review`] finds it.
    pub marker: Marker,
    /// Comments on lines. GitHub refuses the whole review (422) if one of the lines is not part of the diff.
    pub comments: Vec<NewReviewComment>,
}

/// One comment of a [`NewReview`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewReviewComment {
    /// The file.
    pub path: RepoPath,
    /// The line on the head, from 1.
    pub line: u32,
    /// Markdown; cut at 65,536 characters.
    pub body: String,
}

impl Forge {
    /// Every review, oldest first.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn reviews(&self, repo: &RepoName, number: u64) -> Result<Vec<Review>, Error> {
        self.pages(&route(repo, &format!("pulls/{number}/reviews")), |page| page).await
    }

    /// Every comment on a line, oldest first.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn review_comments(&self, repo: &RepoName, number: u64) -> Result<Vec<ReviewComment>, Error> {
        self.pages(&route(repo, &format!("pulls/{number}/comments")), |page| page).await
    }

    /// Our review with this marker, the oldest if there are several. A review of another account that quotes
    /// the marker does not count, nor does a draft.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn find_review(
        &self,
        repo: &RepoName,
        number: u64,
        marker: &Marker,
    ) -> Result<Option<Review>, Error> {
        let us = self.identity().await?;
        let reviews = self.reviews(repo, number).await?;
        let ours = |review: &Review| {
            review.user.as_ref().is_some_and(|user| user.id == us.id)
                && review.submitted_at.is_some()
                && marker.is_in(&review.body)
        };
        Ok(reviews.into_iter().filter(ours).min_by_key(|review| review.id))
    }

    /// Posts a review. A second call posts another one: call [`Self::find_review`] first.
    ///
    /// # Errors
    /// Those of the call; [`super::Kind::Validation`], with nothing posted, if the line of a comment is not part
    /// of the diff.
    pub async fn create_review(
        &self,
        repo: &RepoName,
        number: u64,
        new: &NewReview,
    ) -> Result<Review, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            commit_id: &'a Sha,
            event: &'static str,
            body: String,
            comments: Vec<LineComment<'a>>,
        }
        #[derive(Serialize)]
        struct LineComment<'a> {
            path: &'a RepoPath,
            line: u32,
            side: &'static str,
            body: String,
        }
        let comments = new.comments.iter().map(|comment| LineComment {
            path: &comment.path,
            line: comment.line,
            side: "RIGHT",
            body: text::cap(&comment.body, text::BODY_LIMIT),
        });
        let body = Body {
            commit_id: &new.commit,
            event: "COMMENT",
            body: new.marker.mark(&new.body),
            comments: comments.collect(),
        };
        self.post(&route(repo, &format!("pulls/{number}/reviews")), &body).await
    }
}

pub(super) fn state<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ApprovalState>, D::Error> {
    Ok(match String::deserialize(from)?.as_str() {
        "APPROVED" => Some(ApprovalState::Approved),
        "CHANGES_REQUESTED" => Some(ApprovalState::ChangesRequested),
        "COMMENTED" => Some(ApprovalState::Commented),
        "DISMISSED" => Some(ApprovalState::Dismissed),
        _ => None,
    })
}
