//! What is known of a run that is to be counted.

use chrono::{DateTime, Utc};

/// The step whose answers are rounds of remediation.
const REMEDIATE: &str = "remediate";

/// Everything that a run's figures rest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The product.
    pub product: String,
    /// The tier at its last assessment; `None`: it was never judged.
    pub tier: Option<String>,
    /// Whether the change is ours; otherwise others opened the pull request.
    pub is_ours: bool,
    /// How it ended: `succeeded`, `failed`, `blocked` or `cancelled`.
    pub ended_as: String,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// When the requirement was submitted; for a pull request of others, when the run began.
    pub submitted_at: DateTime<Utc>,
    /// Whether the base holds the change.
    pub is_merged: bool,
    /// Whether it was merged although no verdict had cleared it.
    pub is_unjudged: bool,
    /// The history, oldest first; `None` where retention has deleted it.
    pub history: Option<Vec<Happening>>,
    /// What the newest verdict that cleared it says of approvals; `None`: there is no such verdict.
    pub approved: Option<Approved>,
    /// What reviews found, each finding once.
    pub findings: Vec<FindingCount>,
    /// Tokens that its model calls used.
    pub tokens: i64,
    /// What these cost, in millionths of a dollar; 0 also where no prices are known.
    pub micro_dollars: i64,
    /// Lines that ran and all lines, by the product's own report on its last head.
    pub coverage: Option<(i64, i64)>,
    /// How many incidents its merged change caused, as far as that is known.
    pub incidents: i64,
    /// The objectives of its product.
    pub objectives: Objectives,
}

/// What the loop should take, in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Objectives {
    /// From the submission to the first pull request.
    pub first_pull_minutes: i32,
    /// From the submission to the merge.
    pub loop_minutes: i32,
}

/// What a verdict says of approvals by people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approved {
    /// A person approved the head, or was needed to.
    ByPeople,
    /// No person approved it, and none was needed.
    ByNobody,
}

/// How many findings of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingCount {
    /// The reviewer that found them, by name.
    pub reviewer: String,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: String,
    /// `open`, `fixed`, `gone` or `dismissed`.
    pub state: String,
    /// How many.
    pub count: i64,
}

/// An event of the history, as far as figures need it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: DateTime<Utc>,
    /// When the attempt that brought it began.
    pub began_at: Option<DateTime<Utc>>,
    /// The step that the run was at; `None` before the first and after an end.
    pub step: Option<String>,
    /// Its kind, as tables name it.
    pub kind: String,
    /// The outcome of an answer.
    pub outcome: Option<String>,
    /// Who can end the wait that it begins.
    pub awaited: Option<String>,
    /// Why it pauses the run.
    pub cause: Option<String>,
    /// Whether it says which pull request the run has.
    pub has_pull: bool,
    /// Whether it says that the base holds the change.
    pub has_merged: bool,
    /// The head that it says the run has.
    pub head: Option<String>,
    /// The provider of an outage, what is waited for, or what went wrong: its beginning. Foreign text.
    pub detail: Option<String>,
}

impl Happening {
    /// Whether it is a round of remediation.
    #[must_use]
    pub fn is_round(&self) -> bool {
        self.kind == "answered"
            && self.step.as_deref() == Some(REMEDIATE)
            && matches!(self.outcome.as_deref(), Some("pushed" | "unfixable"))
    }
}
