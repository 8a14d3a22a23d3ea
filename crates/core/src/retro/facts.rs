//! What a look back reads beside the facts that the figures of a run rest on.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// Everything beside [`measure::Facts`](crate::measure::Facts). The order of the rows says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// The calls of the model.
    pub calls: Vec<Call>,
    /// Our own runs of the tests on answers of the model that were not pushed.
    pub tries: Vec<Tried>,
    /// What reviews found, on each head.
    pub findings: Vec<Found>,
    /// The heads that the gate blocked.
    pub blocked: Vec<Blocked>,
    /// The newest verdict that cleared it.
    pub cleared: Option<Cleared>,
    /// What people asked for on the pull request, as far as a round took it.
    pub remarks: Vec<Remark>,
    /// The rounds of questions.
    pub questions: Vec<Asked>,
    /// The dependencies that people were asked about.
    pub consents: Vec<ConsentAsked>,
    /// The browser evidence that came.
    pub captures: Vec<Captured>,
    /// The incidents that its merged change caused.
    pub incidents: Vec<Incident>,
    /// The files that its pushes touch.
    pub files: Vec<String>,
    /// The attempts that were lost with their worker: from when to when.
    pub lost: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

/// A call of the model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// When it was intended.
    pub at: DateTime<Utc>,
    /// When its answer was recorded; `None`: it never was.
    pub done_at: Option<DateTime<Utc>>,
    /// Its key in the run, such as `generate.1/model.2`.
    pub key: String,
    /// The tokens that it used, as far as that is settled.
    pub tokens: i64,
    /// What they cost, in millionths of a dollar; 0 also where no prices are known.
    pub micro_dollars: i64,
}

/// A run of the tests on an answer that was not pushed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tried {
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it was for the proof of a case; else for a draft.
    pub is_proof: bool,
}

/// A finding of a review on one head.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The head.
    pub head: String,
    /// The file. Foreign text.
    pub path: String,
    /// Whether it is sent to remediation.
    pub is_actionable: bool,
    /// What is wrong, its beginning. Foreign text.
    pub message: String,
}

/// A head that the gate blocked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocked {
    /// When.
    pub at: DateTime<Utc>,
    /// The head.
    pub head: String,
    /// What an agent could fix.
    pub held: Vec<Held>,
}

/// One thing that the gate held against a head, as its report names it. Findings are read from the reviews.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Held {
    /// Documents were behind; the first pattern that would have satisfied the rule.
    Docs(String),
    /// A check failed; its name.
    Check(String),
    /// The product's own tests failed.
    Tests,
}

/// A verdict that cleared the change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleared {
    /// The tier of the change.
    pub tier: String,
    /// How many people approved it and count.
    pub approved_by: u32,
    /// Whether approvals by people were demanded.
    pub needs_people: bool,
    /// What gave the change its tier.
    pub raised: Vec<Raised>,
}

/// What gave a change its tier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Raised {
    /// The pattern of the policy, or the rule in words.
    pub rule: String,
    /// Whether it is a product's; else it is built in, and nobody can narrow it.
    #[serde(default)]
    pub is_ours: bool,
}

/// What a person asked for, and the visit of the step that took it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// The file; empty for none. Foreign text.
    pub path: String,
    /// The visit, such as `remediate.1`.
    pub visit: String,
}

/// A round of questions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// When it was asked.
    pub at: DateTime<Utc>,
    /// When it was answered or withdrawn.
    pub until: Option<DateTime<Utc>>,
    /// How many questions.
    pub questions: u32,
}

/// Dependencies that people were asked about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsentAsked {
    /// When.
    pub at: DateTime<Utc>,
    /// When it was answered or withdrawn.
    pub until: Option<DateTime<Utc>>,
    /// Whether a person said no.
    pub is_refused: bool,
}

/// Browser evidence that came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Captured {
    /// The head.
    pub head: String,
    /// Its flows.
    pub flows: Vec<String>,
    /// Whether it holds under the policy of the base.
    pub holds: bool,
}

/// An incident that the merged change caused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Incident {
    /// When we learnt of it.
    pub at: DateTime<Utc>,
    /// What went wrong, in one line. Foreign text.
    pub title: String,
    /// The files that its fix changed; empty where there is no fix yet.
    pub fixed: Vec<String>,
}

impl Details {
    /// The same in an order that does not depend on how the rows came.
    pub(super) fn sorted(&self) -> Self {
        let mut it = self.clone();
        it.calls.sort_unstable();
        it.tries.sort_unstable();
        it.findings.sort_unstable();
        it.blocked.sort_unstable();
        it.remarks.sort_unstable();
        it.questions.sort_unstable();
        it.consents.sort_unstable();
        it.captures.sort_unstable();
        it.incidents.sort_unstable();
        it.files.sort_unstable();
        it.files.dedup();
        it.lost.sort_unstable();
        it
    }
}

impl Call {
    /// The visit of the step that made it, such as `generate.1`, with what people had said until then.
    pub(super) fn scope(&self) -> &str {
        self.key.rsplit_once('/').map_or(self.key.as_str(), |(scope, _)| scope)
    }

    /// The step that made it.
    pub(super) fn step(&self) -> &str {
        let visit = self.key.split('/').next().unwrap_or_default();
        visit.rsplit_once('.').map_or(visit, |(step, _)| step)
    }
}
