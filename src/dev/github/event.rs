//! What happened in a repository. The domain announces events; `render::webhooks` gives them their JSON.

use super::{
    git::{Commit, Comparison, Move},
    state::{CheckRun, Comment, Pull, Review, Status},
};

/// One event of a webhook, with the data as it was when the event happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A branch was created, moved or deleted; `commits` are the new ones, oldest first.
    Push {
        moved: Move,
        commits: Vec<Commit>,
    },
    PullRequest {
        action: PullAction,
        pull: Pull,
        comparison: Comparison,
    },
    Review {
        action: &'static str,
        review: Review,
        pull: Pull,
        comparison: Comparison,
    },
    CheckRun {
        action: &'static str,
        run: CheckRun,
    },
    /// `name` is what the reporter called the commit: its SHA or a branch.
    Status {
        name: String,
        status: Status,
    },
    Comment {
        action: &'static str,
        comment: Comment,
    },
}

/// What happened to a pull request.
#[derive(Debug)]
pub(crate) enum PullAction {
    Opened,
    /// Its title, body or base changed; with the base that it had before, if that changed.
    Edited {
        base: Option<PreviousBase>,
    },
    ConvertedToDraft,
    ReadyForReview,
    Closed,
    Reopened,
    /// Its head moved.
    Synchronize {
        before: String,
        after: String,
    },
}

/// The base of a pull request before it was pointed at another branch.
#[derive(Debug)]
pub(crate) struct PreviousBase {
    pub(crate) branch: String,
    pub(crate) sha: String,
}

impl Event {
    /// GitHub's name of the event, which `X-GitHub-Event` carries.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Push { .. } => "push",
            Self::PullRequest { .. } => "pull_request",
            Self::Review { .. } => "pull_request_review",
            Self::CheckRun { .. } => "check_run",
            Self::Status { .. } => "status",
            Self::Comment { .. } => "issue_comment",
        }
    }
}
