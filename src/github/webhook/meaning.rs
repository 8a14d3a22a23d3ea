//! What each event means to us, and why the rest means nothing.

use serde_json::Value;

use super::{
    deployed,
    fields::{repositories, text},
    hint::Hint,
    issue::IssueNews,
};
use crate::{
    core::{deployment::News, requirement::RepoName, run::Topic},
    github::{Account, buttons::Button},
};

/// What happens to a pull request without a run having to look at it.
const IDLE_PULL_ACTIONS: [&str; 10] = [
    "assigned",
    "demilestoned",
    "labeled",
    "locked",
    "milestoned",
    "review_request_removed",
    "review_requested",
    "unassigned",
    "unlabeled",
    "unlocked",
];

/// What a delivery means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Something that runs may wait for has changed.
    Changed(Topic, Hint),
    /// What we may do has changed, in all of an account's repositories or in some.
    Access(Access),
    /// An account wrote, edited or deleted a comment in the conversation of this pull request.
    Commented(u64),
    /// An issue was opened, labelled, closed or opened again.
    Issue(Box<IssueNews>),
    /// A person used a button of our check run.
    Pressed(Press),
    /// Something was deployed, or a deployment stands otherwise.
    Deployed(Box<News>),
    /// Nothing.
    Ignored(Ignored),
}

/// Where an installation of the App has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The account whose repositories are all meant; `None`: only those listed.
    pub owner: Option<String>,
    /// Repositories that are named.
    pub repositories: Vec<RepoName>,
}

/// A use of a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Press {
    /// The button.
    pub button: Button,
    /// The check run's `external_id`, which is ours.
    pub check: String,
    /// The person; `None` for an account that is gone.
    pub by: Option<Account>,
}

/// Why a delivery means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// GitHub tries out the webhook.
    #[error("it only tests the webhook, which works")]
    Ping,
    /// No run depends on events of this name.
    #[error("no run depends on `{0}`")]
    Event(String),
    /// No run depends on this action.
    #[error("no run depends on `{0}.{1}`")]
    Action(String, String),
    /// A tag, a wiki or a note, which are no branch.
    #[error("it is not about a branch")]
    NoBranch,
    /// A comment on an issue.
    #[error("the comment is on an issue, not on a pull request")]
    Issue,
    /// It names no repository.
    #[error("it names no repository")]
    NoRepository,
    /// What happened to an issue says nothing of a harness gap.
    #[error("it says nothing of a harness gap")]
    NoGap,
    /// A button that no release of ours has published.
    #[error("our check runs have no such button")]
    NoButton,
    /// A deployment without what identifies it.
    #[error("it names no deployment, or no time or commit of it")]
    NoDeployment,
}

impl Meaning {
    /// What a payload of this event means.
    pub(super) fn of(event: &str, action: Option<&str>, payload: &Value) -> Self {
        let hint = Hint::of(event, payload);
        match (event, action) {
            ("ping", _) => Self::Ignored(Ignored::Ping),
            ("check_run", Some("requested_action")) => pressed(payload),
            ("check_run" | "check_suite" | "status" | "workflow_run" | "workflow_job", _) => {
                Self::Changed(Topic::Checks, hint)
            }
            ("pull_request_review" | "pull_request_review_comment" | "pull_request_review_thread", _) => {
                Self::Changed(Topic::Reviews, hint)
            }
            ("issues", Some(action)) => match IssueNews::of(action, payload) {
                Some(news) => Self::Issue(Box::new(news)),
                None => Self::Ignored(Ignored::NoGap),
            },
            ("issue_comment", _) => hint.pull.map_or(Self::Ignored(Ignored::Issue), Self::Commented),
            ("pull_request", Some(action)) if IDLE_PULL_ACTIONS.contains(&action) => {
                ignored(event, Some(action))
            }
            // Also `stacked` and `unstacked`, which GitHub's schemas of webhooks do not have yet: unverified.
            ("pull_request" | "merge_group", _) => Self::Changed(Topic::Pull, hint),
            ("push" | "create" | "delete", _) if hint.branch.is_none() => Self::Ignored(Ignored::NoBranch),
            ("push" | "create" | "delete", _) => Self::Changed(Topic::Push, hint),
            ("deployment" | "deployment_status", _) => deployed(event, payload),
            _ => Self::of_administration(event, action, payload),
        }
    }

    /// What the administration of repositories and of the App means.
    fn of_administration(event: &str, action: Option<&str>, payload: &Value) -> Self {
        match (event, action) {
            ("repository", Some("renamed" | "transferred" | "deleted" | "archived" | "unarchived")) => {
                Self::Changed(Topic::Pull, Hint { whole: true, ..Hint::default() })
            }
            (
                "installation",
                Some("created" | "deleted" | "suspend" | "unsuspend" | "new_permissions_accepted"),
            ) => Self::Access(Access {
                owner: text(payload, "/installation/account/login").map(str::to_owned),
                repositories: repositories(payload, "/repositories"),
            }),
            ("installation_repositories", Some("added" | "removed")) => {
                let mut named = repositories(payload, "/repositories_added");
                named.extend(repositories(payload, "/repositories_removed"));
                Self::Access(Access { owner: None, repositories: named })
            }
            ("repository" | "installation" | "installation_repositories", action) => ignored(event, action),
            _ => ignored(event, None),
        }
    }
}

fn ignored(event: &str, action: Option<&str>) -> Meaning {
    let event = event.to_owned();
    Meaning::Ignored(match action {
        Some(action) => Ignored::Action(event, action.to_owned()),
        None => Ignored::Event(event),
    })
}

fn deployed(event: &str, payload: &Value) -> Meaning {
    match deployed::read(event, payload) {
        Some(news) => Meaning::Deployed(Box::new(news)),
        None => Meaning::Ignored(Ignored::NoDeployment),
    }
}

fn pressed(payload: &Value) -> Meaning {
    let identifier = text(payload, "/requested_action/identifier").unwrap_or_default();
    match Button::of(identifier) {
        Some(button) => Meaning::Pressed(Press {
            button,
            check: text(payload, "/check_run/external_id").unwrap_or_default().to_owned(),
            by: payload.get("sender").and_then(|sender| serde_json::from_value(sender.clone()).ok()),
        }),
        None => Meaning::Ignored(Ignored::NoButton),
    }
}
