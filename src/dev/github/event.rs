//! What happened in a repository. The domain announces events; `render::webhooks` gives them their JSON.

use super::{
    apps::{App, Installation},
    git::{Commit, Comparison, Move, Touched},
    merge_state::Queued,
    state::{
        CheckRun, CheckSuite, Comment, Deployment, DeploymentStatus, Pull, Repository, Review, ReviewComment,
        Status, WorkflowRun,
    },
};

/// What the payload of a webhook is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Announcement<'a> {
    pub(crate) event: &'a Event,
    /// The login of the account that caused it.
    pub(crate) actor: &'a str,
    /// The repository it happened in; events of an installation have none.
    pub(crate) repository: Option<&'a Repository>,
    /// The id of the installation by which an App learns of it.
    pub(crate) installation: Option<i64>,
}

/// One event of a webhook, with the data as it was when the event happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A branch was created, moved or deleted; `commits` are the new ones, oldest first.
    Push {
        moved: Move,
        commits: Vec<(Touched, Commit)>,
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
    /// A thread was resolved or opened again; its comments, oldest first.
    Thread {
        action: &'static str,
        comments: Vec<ReviewComment>,
        pull: Pull,
        comparison: Comparison,
    },
    CheckSuite {
        action: &'static str,
        suite: CheckSuite,
        head: Commit,
    },
    WorkflowRun {
        action: &'static str,
        run: WorkflowRun,
        head: Commit,
    },
    CheckRun {
        action: CheckRunAction,
        run: CheckRun,
    },
    /// `branches` are those that hold the commit, at most ten.
    Status {
        branches: Vec<String>,
        status: Status,
        commit: Commit,
    },
    Comment {
        action: CommentAction,
        comment: Comment,
    },
    /// A merge group was made to be checked, or is no more, for the reason `merged`, `invalidated` or `dequeued`.
    MergeGroup {
        action: &'static str,
        reason: Option<&'static str>,
        entry: Queued,
    },
    Issue {
        action: IssueAction,
        number: i64,
    },
    Deployment {
        deployment: Deployment,
    },
    DeploymentStatus {
        deployment: Deployment,
        status: DeploymentStatus,
    },
    Repository(RepositoryAction),
    /// An App was installed, or its installation was changed, suspended or removed.
    Installation {
        action: &'static str,
        app: App,
        installation: Installation,
        repositories: Vec<BriefRepository>,
    },
    /// Repositories were added to an installation, or removed from it.
    InstallationRepositories {
        action: &'static str,
        app: App,
        installation: Installation,
        repositories: Vec<BriefRepository>,
    },
}

/// What happened to a comment in a conversation.
#[derive(Debug)]
pub(crate) enum CommentAction {
    Created,
    /// With the text that it had.
    Edited {
        before: String,
    },
    Deleted,
}

/// What happened to an issue.
#[derive(Debug)]
pub(crate) enum IssueAction {
    Opened,
    /// With the name of the label.
    Labeled(String),
    Closed,
    Reopened,
}

/// What happened to a check run.
#[derive(Debug)]
pub(crate) enum CheckRunAction {
    Created,
    Completed,
    /// A person or the App itself wants it to be run again.
    Rerequested,
    /// A person pressed the button with this identifier.
    RequestedAction(String),
}

impl CheckRunAction {
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Completed => "completed",
            Self::Rerequested => "rerequested",
            Self::RequestedAction(_) => "requested_action",
        }
    }
}

/// What happened to a repository.
#[derive(Debug)]
pub(crate) enum RepositoryAction {
    Created,
    /// It became private.
    Privatized,
    /// It became public.
    Publicized,
    /// With the name that it had.
    Renamed(String),
    /// With the login of its former owner.
    Transferred(String),
}

/// A repository as an installation lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BriefRepository {
    pub(crate) id: i64,
    /// `owner/name`.
    pub(crate) full_name: String,
    pub(crate) private: bool,
}

impl BriefRepository {
    pub(crate) fn of(it: &Repository) -> Self {
        Self { id: it.id, full_name: it.full_name(), private: it.private }
    }
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
            Self::Thread { .. } => "pull_request_review_thread",
            Self::CheckRun { .. } => "check_run",
            Self::CheckSuite { .. } => "check_suite",
            Self::WorkflowRun { .. } => "workflow_run",
            Self::Status { .. } => "status",
            Self::Comment { .. } => "issue_comment",
            Self::MergeGroup { .. } => "merge_group",
            Self::Issue { .. } => "issues",
            Self::Deployment { .. } => "deployment",
            Self::DeploymentStatus { .. } => "deployment_status",
            Self::Repository(_) => "repository",
            Self::Installation { .. } => "installation",
            Self::InstallationRepositories { .. } => "installation_repositories",
        }
    }

    /// The permission without which an App cannot subscribe to the event, for those of which an App may lack it. docs.github.com
    /// "Webhook events and payloads", `deployment`.
    pub(crate) const fn permission(&self) -> Option<&'static str> {
        match self {
            Self::Deployment { .. } | Self::DeploymentStatus { .. } => Some("deployments"),
            _ => None,
        }
    }

    /// The slug of the only App that gets the event, for what concerns one alone. docs.github.com "Webhook events and
    /// payloads", `check_run` and `installation`.
    pub(crate) fn only_for(&self) -> Option<&str> {
        match self {
            Self::CheckRun {
                action: CheckRunAction::Rerequested | CheckRunAction::RequestedAction(_),
                run,
            } => Some(&run.app),
            Self::Installation { app, .. } | Self::InstallationRepositories { app, .. } => Some(&app.slug),
            _ => None,
        }
    }
}
