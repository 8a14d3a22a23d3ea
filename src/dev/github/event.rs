//! What happened in a repository. The domain announces events; `render::webhooks` gives them their JSON.

use super::{
    git::{Commit, Comparison, Move},
    merge_state::Queued,
    state::{CheckRun, CheckSuite, Comment, Pull, Review, Status, WorkflowRun},
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
    CheckSuite {
        action: &'static str,
        suite: CheckSuite,
    },
    WorkflowRun {
        action: &'static str,
        run: WorkflowRun,
    },
    CheckRun {
        action: &'static str,
        run: CheckRun,
    },
    /// `branches` are those that hold the commit, at most ten.
    Status {
        branches: Vec<String>,
        status: Status,
    },
    Comment {
        action: &'static str,
        comment: Comment,
    },
    /// A merge group was made to be checked, or is no more, for the reason `merged`, `invalidated` or `dequeued`.
    MergeGroup {
        action: &'static str,
        reason: Option<&'static str>,
        entry: Queued,
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
    /// It became part of a stack.
    Stacked,
    /// It is in a merge queue.
    Enqueued,
    /// It left a merge queue, for one of GitHub's reasons.
    Dequeued {
        reason: String,
    },
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
            Self::CheckSuite { .. } => "check_suite",
            Self::WorkflowRun { .. } => "workflow_run",
            Self::Status { .. } => "status",
            Self::Comment { .. } => "issue_comment",
            Self::MergeGroup { .. } => "merge_group",
        }
    }
}
