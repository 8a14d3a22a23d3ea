//! The risk policy: which tier a change has, what that tier demands, and whether a head meets it.
//!
//! A policy is parsed ([`Policy`]), a change is classified ([`classify`]), facts about one head SHA are judged
//! ([`judge`]), and only a judgement that finds nothing missing makes a [`Clearance`]. Everything here is pure:
//! the same [`Facts`] always give the same [`Assessment`].

mod approvals;
mod assessment;
mod cases;
mod checks;
mod ci;
mod classify;
mod clearance;
mod contents;
mod contract;
mod conversations;
mod coverage;
mod demands;
mod docs;
mod error;
mod evidence;
mod facts;
mod faults;
mod findings;
mod floor;
mod freshness;
mod harness_proof;
mod json;
mod judge;
mod lint;
mod locate;
mod outline;
mod own_tests;
mod parse;
mod preview;
mod reason;
mod remarks;
mod replay;
mod report;
mod required;
mod reviewers;
mod revision;
mod rules;
mod section;
mod simulation;
mod starter;
#[cfg(test)]
mod tests;
mod tier;
mod trial;

pub use approvals::{Approvals, Said};
pub use assessment::{Assessment, CheckRow, CheckState, Decision, Node, Phase, Remedy, Status, Stop, Wait};
pub use cases::{CASES_PATH, CaseResult, Cases};
pub use checks::{RerunOf, remember};
pub use ci::{
    BaseReports, CheckFact, CheckStatus, Ci, CommitStatus, Conclusion, ReportedBy, Reporter, Rerun,
    StatusState, WorkflowRun,
};
pub use classify::{Classification, PathVerdict, Scope, classify};
pub use clearance::Clearance;
pub use contents::{
    Contents, MOST_COMPARED, MOST_UNMATCHED, Side, Weakening, compared, dependency_file, wanted,
};
pub use contract::{Contract, Documents};
pub use demands::{App, CheckDemand, Demands, StatusBy};
pub use docs::Drift;
pub use error::Error;
pub use evidence::{Captured, EvidenceFacts, EvidenceReport, evidence_demand, evidence_report};
pub use facts::{
    Approval, ApprovalState, Conversation, Facts, FindingState, Found, OwnTests, Permission, Person,
    PullFact, PullState, Remark, Requester, Review, ReviewedBy, Via,
};
pub use faults::{Linted, Remarked, lint};
pub use judge::{judge, preflight};
pub use locate::line_of;
pub use outline::{Outline, TierOutline};
pub use own_tests::{TestFacts, TestRule, red_before};
pub use preview::MergePreview;
pub use reason::Reason;
pub use remarks::{WHOLE_CHANGE, severity as severity_of_remark};
pub use replay::{Difference, judged_again};
pub use required::{Required, required};
pub use revision::{Revised, revised};
pub use rules::{DocsRules, EvidenceRules, HarnessGapRule, Policy};
pub use simulation::{Moved, PastChange, Simulated, Simulation, Summary, simulate};
pub use starter::starter;
pub use tier::{Tier, UnknownTier};
pub use trial::{Ground, Outlook, Trial};

/// The path of the policy in a repository.
pub const POLICY_PATH: &str = ".aspora/risk-policy.json";
/// The most bytes a policy may have (256 KiB).
pub const POLICY_LIMIT: usize = 256 * 1024;
/// The check that the factory reports itself; it is never waited for.
pub const GATE_CHECK: &str = "risk-policy-gate";
/// The check that the factory's own review satisfies.
pub const REVIEW_CHECK: &str = "Code Review Agent";
/// The check that is demanded only if a user interface changed.
pub const EVIDENCE_CHECK: &str = "Browser Evidence";
/// After this many minutes without progress a check has failed, unless product or policy say otherwise.
pub const CHECK_DEADLINE_MINUTES: u32 = 60;
/// How often a check whose machinery failed is run again on one head.
pub const MOST_RERUNS: u32 = 2;
/// A change of more files than this is critical, because it is too large to review.
pub const MOST_FILES: usize = 3_000;
/// A change whose textual diff has more bytes than this is critical and needs a person (5 MB).
pub const DIFF_LIMIT: u64 = 5_000_000;
/// The edition of the rules that this release judges new facts by.
///
/// 0: a refusal counts from everybody; a policy that is broken at the base ends the run.
/// 1: a refusal counts from those who may write; a policy that is broken at the base is waited for.
/// 2: accounts are compared by their numbers where both are known.
pub const EDITION: u16 = 2;
