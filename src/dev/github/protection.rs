//! What the branches of a repository demand: classic protection, and rulesets. Data alone; `rules` judges by it.

use serde::{Deserialize, Serialize};

use super::merge_state::Method;

/// What one branch demands. The default is a branch that nobody may force or delete, and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// The checks that must succeed on the head.
    pub checks: Vec<RequiredCheck>,
    /// The head must contain the base (GitHub's "strict").
    pub up_to_date: bool,
    /// How many people with write access must approve.
    pub approvals: u32,
    /// A push that changes the diff dismisses approvals.
    pub dismiss_stale_reviews: bool,
    /// Nobody may push: changes come through pull requests.
    pub pull_request: bool,
    /// Every conversation on lines must be resolved.
    pub conversations: bool,
    /// Every commit needs a verified signature.
    pub signatures: bool,
    /// No merge commits.
    pub linear_history: bool,
    /// Changes go through the merge queue; only a ruleset knows this.
    pub merge_queue: bool,
    /// The merge methods that are allowed; empty: all. Only a ruleset knows this.
    pub merge_methods: Vec<Method>,
    /// A push may drop commits.
    pub allow_force_pushes: bool,
    /// The branch may be deleted.
    pub allow_deletions: bool,
    /// The logins that the rules do not bind.
    pub bypass: Vec<String>,
}

/// One required check or commit status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequiredCheck {
    /// The name of the check, or the context of the status.
    pub context: String,
    /// The slug of the app that must have set it; `None` for any.
    pub app: Option<String>,
}

impl RequiredCheck {
    /// A check that any app may set.
    #[must_use]
    pub fn any(context: &str) -> Self {
        Self { context: context.to_owned(), app: None }
    }

    /// A check that this app alone may set.
    #[must_use]
    pub fn of(app: &str, context: &str) -> Self {
        Self { context: context.to_owned(), app: Some(app.to_owned()) }
    }
}

/// Whether a ruleset binds anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// It binds.
    Active,
    /// It is only reported on.
    Evaluate,
    /// It does nothing.
    Disabled,
}

/// One ruleset of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruleset {
    /// Unique in the twin.
    pub id: i64,
    /// Its name for people.
    pub name: String,
    /// The branch, or a pattern such as `release/*`.
    pub branch: String,
    /// Whether it binds.
    pub enforcement: Enforcement,
    /// What it demands.
    pub rules: Rules,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// From where a demand comes, which decides GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Protection,
    Ruleset,
}
