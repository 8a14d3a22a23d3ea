//! The activities, and what the engine and people know of each without running it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The Rust that does a step's work. Two steps may share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// The model writes a case that shows an incident; it is proven to fail on the base, and pushed to the branch.
    Reproduce,
    /// The model writes the change; branch, commit and pull request are made.
    Generate,
    /// The preflight: tier, docs drift, and what this head will need.
    Gate,
    /// The model reviews this head.
    Review,
    /// The model fixes what the review and the gate found; the head moves.
    Remediate,
    /// The final gate: everything the policy demands, on this head.
    Verdict,
    /// The base is merged into the branch; the head moves.
    Update,
    /// The cleared head is merged into the base.
    Merge,
    /// The preflight and the final gate of a pull request that others opened, head after head.
    Judge,
    /// The product's own tests run on a head that others pushed, in the sandbox.
    Test,
    /// The merged change is looked at for its case, and the clock of the harness gap is stopped.
    Close,
}

/// What an activity answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The pull request is open.
    Opened,
    /// The model says that it cannot be done, and why.
    Declined,
    /// The pull request was closed, or merged by a person.
    Closed,
    /// Nothing blocks the next step.
    Passed,
    /// The policy names something that a further change can fix.
    Blocked,
    /// Only a person can go on from here.
    Stopped,
    /// The review found nothing actionable.
    Clean,
    /// The review found something actionable.
    Findings,
    /// The branch has a new head.
    Pushed,
    /// The model found no fix.
    Unfixable,
    /// The head is no longer the one that this step began with.
    Moved,
    /// The policy has cleared this head for the merge.
    Cleared,
    /// The base has moved on, and the policy wants the branch up to date.
    Behind,
    /// The base cannot be merged into the branch.
    Conflict,
    /// The change is on the base branch.
    Merged,
    /// The forge does not let us merge.
    Refused,
    /// The policy asks for a review of this head, and there is none.
    Unreviewed,
    /// The product wants its own tests to run on this head, and they have not.
    Untested,
    /// They ran, or could not.
    Tested,
    /// The case fails on the base as the incident did.
    Reproduced,
    /// A case of the harness gap is merged, and its clock is stopped.
    Converted,
    /// What was merged has no case.
    Caseless,
}

/// One row of the table of activities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivitySpec {
    /// What it may answer. A workflow must have a transition for each of these, and for no other.
    pub outcomes: &'static [Outcome],
    /// Whether a person may answer in its place. Never for an activity that judges or merges: nothing is
    /// merged that was not judged.
    pub skippable: bool,
    /// Whether its jobs into one base branch run one at a time (see [`crate::limit::Key::Merge`]).
    pub one_per_base: bool,
}

impl ActivitySpec {
    const fn new(outcomes: &'static [Outcome]) -> Self {
        Self { outcomes, skippable: true, one_per_base: false }
    }
}

impl Activity {
    /// The row of this activity. Besides the code that performs activities, only this function
    /// distinguishes them.
    #[must_use]
    pub const fn spec(self) -> ActivitySpec {
        use Outcome as O;
        match self {
            // Nobody's word stands in for the proof.
            Self::Reproduce => ActivitySpec {
                skippable: false,
                ..ActivitySpec::new(&[O::Reproduced, O::Declined, O::Closed])
            },
            Self::Generate => ActivitySpec::new(&[O::Opened, O::Declined, O::Closed]),
            Self::Gate => ActivitySpec::new(&[O::Passed, O::Blocked, O::Stopped, O::Closed]),
            Self::Review => ActivitySpec::new(&[O::Clean, O::Findings, O::Moved]),
            Self::Remediate => ActivitySpec::new(&[O::Pushed, O::Unfixable, O::Moved]),
            Self::Verdict => ActivitySpec {
                skippable: false,
                ..ActivitySpec::new(&[O::Cleared, O::Blocked, O::Behind, O::Moved, O::Stopped, O::Closed])
            },
            Self::Update => ActivitySpec::new(&[O::Pushed, O::Conflict, O::Moved]),
            Self::Merge => ActivitySpec {
                skippable: false,
                one_per_base: true,
                ..ActivitySpec::new(&[O::Merged, O::Moved, O::Behind, O::Refused, O::Closed])
            },
            Self::Judge => ActivitySpec {
                skippable: false,
                ..ActivitySpec::new(&[
                    O::Untested,
                    O::Unreviewed,
                    O::Blocked,
                    O::Cleared,
                    O::Merged,
                    O::Closed,
                ])
            },
            Self::Close => {
                ActivitySpec { skippable: false, ..ActivitySpec::new(&[O::Converted, O::Caseless]) }
            }
            Self::Test => ActivitySpec { skippable: false, ..ActivitySpec::new(&[O::Tested, O::Moved]) },
        }
    }

    /// What this activity may answer.
    #[must_use]
    pub const fn outcomes(self) -> &'static [Outcome] {
        self.spec().outcomes
    }

    /// Whether a person may answer in the place of this activity.
    #[must_use]
    pub const fn is_skippable(self) -> bool {
        self.spec().skippable
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}
