//! A workflow: which step follows which outcome.
//!
//! The graph is data (`workflows/*.toml`); what a step *does* and what it may *answer* is Rust.
//! [`Workflow::parse`] refuses a graph that has an outcome without a transition, an unreachable step or an
//! unbounded loop, so every run ends whatever the activities answer.

mod activity;
mod diagram;
mod load;

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::{
    activity::{Activity, ActivitySpec, Outcome},
    load::Error,
};
use crate::subject::SubjectKind;

/// The graph of one kind of run. Immutable, and identified by the [`hash`](Workflow::hash) of its text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    /// The name people use, such as `requirement`.
    pub name: String,
    /// What its runs are about.
    #[serde(default)]
    pub subject: SubjectKind,
    /// The first step.
    pub start: String,
    /// Where a run goes when a step has used up its attempts.
    pub exhausted: String,
    /// The steps by name.
    #[serde(rename = "step")]
    pub steps: BTreeMap<String, Step>,
    /// The ends by name.
    #[serde(rename = "end")]
    pub ends: BTreeMap<String, End>,
    /// The SHA-256 of the text, in hexadecimal.
    #[serde(skip)]
    pub hash: String,
}

/// One node of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The activity that does this step's work.
    pub run: Activity,
    /// The queue whose workers may do it.
    #[serde(default)]
    pub queue: Queue,
    /// How often and how fast a failed attempt is retried.
    #[serde(default)]
    pub retry: Retry,
    /// How long one attempt may take.
    #[serde(default = "ten_minutes", with = "load::duration")]
    pub timeout: Duration,
    /// The transitions: where each outcome leads.
    pub on: BTreeMap<Outcome, String>,
    /// How often a run may enter this step before it goes to `spent` instead.
    pub visits: Option<u32>,
    /// Where a run goes that has used up its visits to this step.
    pub spent: Option<String>,
}

/// How failed attempts are retried: after a random delay of at most `first * 2^n`, and at most `most`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included. A worker that dies in an attempt has used it up.
    pub attempts: u32,
    /// The longest delay after the first failure.
    #[serde(with = "load::duration")]
    pub first: Duration,
    /// The longest delay after any failure.
    #[serde(with = "load::duration")]
    pub most: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 5, first: Duration::from_secs(2), most: Duration::from_secs(600) }
    }
}

/// A kind of work with workers of its own, so that slow model calls never hold up a merge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    /// Steps that need no other system.
    #[default]
    Default,
    /// Steps that call a model.
    Llm,
    /// Steps that call the forge.
    Github,
}

/// A queue that this release does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a queue")]
pub struct UnknownQueue(pub String);

/// How a run can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The change is merged.
    Succeeded,
    /// It cannot be done, and no person needs to act.
    Failed,
    /// A person is needed.
    Blocked,
    /// A person closed it on purpose.
    Cancelled,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 3] = [Self::Default, Self::Llm, Self::Github];

    /// The name in tables and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Llm => "llm",
            Self::Github => "github",
        }
    }
}

impl FromStr for Queue {
    type Err = UnknownQueue;

    fn from_str(text: &str) -> Result<Self, UnknownQueue> {
        let found = Self::ALL.into_iter().find(|queue| queue.as_str() == text);
        found.ok_or_else(|| UnknownQueue(text.to_owned()))
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl End {
    /// The name in tables and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

#[cfg(test)]
mod tests;
