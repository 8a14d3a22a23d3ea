//! An assessment: the verdict as a tree with explanations, and the one decision that follows from it.
//!
//! Only a judgement makes an [`Assessment`], and none can be read back: a recorded decision is its
//! [`Facts`](super::Facts), judged again.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Approvals, Classification, Clearance, Demands, Drift, RerunOf, Tier};
use crate::{finding::Finding, sha::Sha};

/// What the policy says about one head SHA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assessment {
    pub(super) phase: Phase,
    pub(super) head: Sha,
    pub(super) base: Sha,
    pub(super) policy_digest: Option<String>,
    pub(super) head_policy_digest: Option<String>,
    pub(super) classification: Option<Classification>,
    pub(super) demands: Option<Demands>,
    pub(super) decision: Decision,
    pub(super) tree: Node,
    pub(super) checks: Vec<CheckRow>,
    pub(super) approvals: Option<Approvals>,
    pub(super) clearance: Option<Clearance>,
}

/// At which point of a run the judgement is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before the review: checks, approvals and review are not yet demanded.
    Preflight,
    /// Before the merge: everything is demanded.
    Verdict,
}

/// What happens to the pull request now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Decision {
    /// Nothing is missing: at preflight go on to the review, at the verdict merge.
    Clear,
    /// Nothing is wrong, but something has not happened yet.
    Waiting {
        /// All that is missing.
        on: Vec<Wait>,
    },
    /// The base has moved: update the branch, which makes a new SHA and a new judgement. Comes before waiting,
    /// because an update voids whatever the run would wait for.
    Behind,
    /// Something is wrong with this head.
    Blocked {
        /// What an agent can fix. If it is empty, or no round is left, a person must act.
        remediable: Vec<Remedy>,
        /// All that is wrong, one sentence each.
        reasons: Vec<String>,
    },
    /// The run stops for a person.
    Stopped {
        /// Why.
        reason: Stop,
    },
}

/// One thing that has not happened yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Wait {
    /// A check has not succeeded yet; our own review is the check `Code Review Agent`.
    Check {
        /// Its name.
        name: String,
        /// How far it is, for people.
        progress: String,
    },
    /// What would report a check cannot be read: whether it has succeeded is not known, and its deadline does not run.
    Unreadable {
        /// The check's name.
        name: String,
        /// What cannot be read, and why.
        why: String,
    },
    /// Approvals.
    Approvals {
        /// How many more.
        missing: u32,
        /// How many in all.
        needed: u32,
        /// Whether only people count.
        human: bool,
    },
    /// People asked for changes and have neither withdrawn that nor approved this head.
    Refusal {
        /// Their logins.
        by: Vec<String>,
    },
    /// Conversations on lines are open, and the base branch demands that all are resolved.
    Conversations {
        /// Their pages.
        urls: Vec<String>,
    },
    /// The pull request is a draft.
    Draft,
    /// Other open pull requests have this head, and what is said of it counts for them too.
    Sibling {
        /// Their numbers.
        pulls: Vec<u64>,
    },
    /// A person's yes to the dependencies of this head, before which nothing of it is set up or tested.
    Dependencies {
        /// What is awaited, after "waiting for".
        awaited: String,
    },
    /// This head has no complete review, and the workflow asks for one.
    Unreviewed,
    /// The policy at the base does not parse: everything waits until people repair it.
    Policy {
        /// The JSON pointer of what is wrong.
        pointer: String,
        /// What is wrong there.
        message: String,
    },
}

/// One thing that an agent can fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "mend", rename_all = "snake_case")]
pub enum Remedy {
    /// Write the documents.
    Docs(Drift),
    /// Make a check pass.
    Check {
        /// Its name.
        name: String,
        /// Where its report is.
        url: Option<String>,
        /// The check run's number; `None` for a commit status.
        run: Option<u64>,
    },
    /// Resolve a finding.
    Finding(Finding),
    /// Make the product's tests pass.
    Tests {
        /// What they came to, one sentence.
        what: String,
    },
}

/// Why a run stops for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Stop {
    /// The branch has commits that are not the factory's.
    HumanTakeover {
        /// The commits.
        commits: Vec<Sha>,
    },
    /// The pull request was closed.
    Closed,
    /// The pull request has been merged already.
    Merged,
    /// The pull request was pointed at another branch: nothing here was judged for that one.
    Retargeted {
        /// The branch that the run is for.
        expected: String,
        /// The branch that the pull request would be merged into.
        actual: String,
    },
    /// The policy of the head does not parse.
    PolicyBroken {
        /// The JSON pointer of what is wrong.
        pointer: String,
        /// What is wrong there, and on which side.
        message: String,
    },
}

/// The status of a part of the verdict; the highest status among the parts decides the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not demanded.
    NotApplicable,
    /// Satisfied.
    Satisfied,
    /// Not satisfied yet.
    Waiting,
    /// Failed.
    Failed,
}

/// One part of the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// What is judged.
    pub name: String,
    /// Its status.
    pub status: Status,
    /// Why, for people.
    pub sentence: String,
    /// Its parts.
    pub children: Vec<Self>,
}

/// One row of the check matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckRow {
    /// The check's name.
    pub name: String,
    /// Its state.
    pub state: CheckState,
    /// The same for people: `in progress`, `never reported`.
    pub detail: String,
    /// The SHA it is about: always the head.
    pub sha: Sha,
    /// The rules that demand it.
    pub demanded_by: Vec<String>,
    /// Where people read more.
    pub url: Option<String>,
    /// When it last moved, where that is known.
    pub since: Option<DateTime<Utc>>,
    /// Whether any app may report it, because neither the policy nor the base names one.
    pub unbound: bool,
    /// What is to be run again before the verdict waits.
    pub rerun: Option<RerunOf>,
    /// Whether the branch needs the newest base for it to pass.
    pub needs_base: bool,
}

/// The state of a check; the highest state among several reports decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// The gate itself, which is reported but never waited for.
    Itself,
    /// Not demanded for this change.
    NotApplicable,
    /// Succeeded.
    Passed,
    /// Reported and not completed.
    Running,
    /// Not reported.
    Missing,
    /// Failed, or never reported in time.
    Failed,
}

impl Assessment {
    /// When in the run it was made.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The head that was judged.
    #[must_use]
    pub const fn head(&self) -> &Sha {
        &self.head
    }

    /// The newest commit of the base when it was judged.
    #[must_use]
    pub const fn base(&self) -> &Sha {
        &self.base
    }

    /// The tier of the change; `critical` if no policy could be read.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.classification.as_ref().map_or(Tier::Critical, |classification| classification.tier)
    }

    /// SHA-256 of the base's policy, in hexadecimal; `None` if there is no policy or it does not parse.
    #[must_use]
    pub fn policy_digest(&self) -> Option<&str> {
        self.policy_digest.as_deref()
    }

    /// Each path and what decided its tier; `None` if a policy does not parse.
    #[must_use]
    pub const fn classification(&self) -> Option<&Classification> {
        self.classification.as_ref()
    }

    /// What this head needs; `None` if a policy does not parse.
    #[must_use]
    pub const fn demands(&self) -> Option<&Demands> {
        self.demands.as_ref()
    }

    /// What happens now.
    #[must_use]
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The whole verdict, with explanations.
    #[must_use]
    pub const fn tree(&self) -> &Node {
        &self.tree
    }

    /// The check matrix, in the policy's order.
    #[must_use]
    pub fn checks(&self) -> &[CheckRow] {
        &self.checks
    }

    /// The approvals that this head needs and has; `None` if a policy does not parse.
    #[must_use]
    pub const fn approvals(&self) -> Option<&Approvals> {
        self.approvals.as_ref()
    }

    /// The permission to merge exactly this head; only a clear verdict gives one.
    #[must_use]
    pub fn clearance(&self) -> Option<Clearance> {
        self.clearance.clone()
    }
}

impl Phase {
    /// The phase's name in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Verdict => "verdict",
        }
    }
}

impl Decision {
    /// The decision's name in tables and JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Waiting { .. } => "waiting",
            Self::Behind => "behind",
            Self::Blocked { .. } => "blocked",
            Self::Stopped { .. } => "stopped",
        }
    }
}

impl Node {
    pub(super) fn leaf(name: impl Into<String>, status: Status, sentence: impl Into<String>) -> Self {
        Self { name: name.into(), status, sentence: sentence.into(), children: Vec::new() }
    }

    /// A part with the highest status of its children.
    pub(super) fn over(name: &str, sentence: impl Into<String>, children: Vec<Self>) -> Self {
        let status = children.iter().map(|child| child.status).max().unwrap_or(Status::NotApplicable);
        Self { name: name.to_owned(), status, sentence: sentence.into(), children }
    }
}

impl CheckState {
    /// What the state means to the verdict.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Itself | Self::NotApplicable => Status::NotApplicable,
            Self::Passed => Status::Satisfied,
            Self::Running | Self::Missing => Status::Waiting,
            Self::Failed => Status::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_tables_are_those_in_json() {
        for phase in [Phase::Preflight, Phase::Verdict] {
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
        }
        for decision in [
            Decision::Clear,
            Decision::Waiting { on: Vec::new() },
            Decision::Behind,
            Decision::Blocked { remediable: Vec::new(), reasons: Vec::new() },
            Decision::Stopped { reason: Stop::Closed },
        ] {
            assert_eq!(serde_json::to_value(&decision).unwrap()["is"], decision.as_str());
        }
    }
}
