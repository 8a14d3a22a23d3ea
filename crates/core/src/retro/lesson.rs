//! A lesson: a cause, what it cost, what happened, what would have avoided it, and what follows from it.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One thing that a run teaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// The key of the cause, the same in every run: `finding:wealth/api.py`, `check:lint`, `questions`. At most
    /// [`KEY_LIMIT`](super::KEY_LIMIT) characters.
    pub cause: String,
    /// When it came: at the end of the run, or later with an incident.
    pub at: DateTime<Utc>,
    /// What it cost.
    pub cost: Cost,
    /// What happened, in a sentence without its full stop.
    pub happened: String,
    /// What would have avoided it, in a sentence without its full stop.
    pub avoid: String,
    /// What was said of it in reviews and reports, its beginning: foreign text, for who may read payloads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
    /// What is proposed once it comes again and again; `None` where the product's people can change nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Proposed>,
}

/// What a cause cost. A round with several causes counts in each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Rounds of remediation.
    pub rounds: u32,
    /// Calls of the model.
    pub calls: u32,
    /// Milliseconds of waiting.
    pub wait_ms: i64,
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// What kind of change it is.
    pub kind: ProposalKind,
    /// It in a line.
    pub title: String,
    /// What to change; of a prompt note, the note itself. At most [`NOTE_LIMIT`](super::NOTE_LIMIT) characters.
    pub text: String,
}

/// What kind of change is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProposalKind {
    /// Another pattern in the risk policy.
    PolicyPattern,
    /// A case of the harness.
    HarnessCase,
    /// A note that the prompts of the product show.
    PromptNote,
}

/// A text that names no kind of proposal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a kind of proposal; the kinds are policy_pattern, harness_case and prompt_note")]
pub struct UnknownKind;

impl Lesson {
    pub(super) fn new(
        cause: impl Into<String>,
        cost: Cost,
        happened: impl Into<String>,
        avoid: impl Into<String>,
    ) -> Self {
        let (cause, happened, avoid) = (cause.into(), happened.into(), avoid.into());
        let at = DateTime::UNIX_EPOCH;
        Self { cause, at, cost, happened, avoid, said: String::new(), proposed: None }
    }

    /// With what is proposed; a text that is too long is cut.
    pub(super) fn proposing(self, kind: ProposalKind, title: &str, text: &str) -> Self {
        let text = super::text::shown(text, super::NOTE_LIMIT);
        Self { proposed: Some(Proposed { kind, title: title.to_owned(), text }), ..self }
    }
}

impl ProposalKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::PolicyPattern, Self::HarnessCase, Self::PromptNote];

    /// The name in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PolicyPattern => "policy_pattern",
            Self::HarnessCase => "harness_case",
            Self::PromptNote => "prompt_note",
        }
    }

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::PolicyPattern => "a pattern of the policy",
            Self::HarnessCase => "a harness case",
            Self::PromptNote => "a note in prompts",
        }
    }
}

impl fmt::Display for ProposalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProposalKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

/// The dearest first; what costs the same in the order of causes.
pub(super) fn sort(lessons: &mut [Lesson]) {
    lessons.sort_by(|one, other| {
        let dear = |it: &Lesson| (it.cost.rounds, it.cost.calls, it.cost.wait_ms);
        dear(other).cmp(&dear(one)).then_with(|| one.cause.cmp(&other.cause))
    });
}
