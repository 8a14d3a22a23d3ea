//! The JSON that REST gives and takes, apart from how it is stored, so that either can change without the other.
//!
//! Times are RFC 3339 in UTC, money is whole millionths of a dollar, ids are UUIDs. The server and its clients
//! share these types; nothing here knows HTTP.

mod action;
mod after_merge;
mod amendment;
mod assessment;
mod attempt;
mod audit;
mod budget;
mod control;
mod dead_letter;
mod dependencies;
mod effect;
mod event;
mod evidence;
mod finding;
mod gap;
mod hold;
mod key;
mod limit;
mod metrics;
mod outage;
mod overview;
mod policy;
mod problem;
mod product;
mod pull;
mod question;
mod requirement;
mod retro;
mod run;
mod schedule;
mod subscription;
mod summary;
mod test_run;
mod webhook;
mod worker;

pub use action::Action;
pub use after_merge::{
    AfterMerge, BaseCheckState, BaseWatch, Deployment, DeploymentStatus, RevertedBy, Reverts,
};
pub use amendment::{Amend, Amendment, Resubmit, Warning};
pub use assessment::Assessment;
pub use attempt::Attempt;
pub use audit::{AuditEntries, AuditEntry, AuditVerification};
pub use budget::{
    Budget, DefaultBudget, LastSet, NewBudget, NewProductBudget, NewRelease, NewRunBudget, ProductBudget,
    RunBudget, Unsettled,
};
pub use control::{Approve, Control, Fork, Reject, Retry, Skip};
pub use dead_letter::{DeadLetter, DeadLetters, Redrive, RedriveFilter, Redriven, RedrivenLetter};
pub use dependencies::{ChangedFile, Dependencies, DependencySet, Package, SayDependencies};
pub use effect::{Diff, Effect};
pub use event::{Event, Events, Fact};
pub use evidence::{Evidence, EvidenceAnswer, FlowAnswer, NewEvidence, NewPicture};
pub use finding::Finding;
pub use gap::{DismissGap, Gap, GapAccepted, GapClock, GapEvent, Gaps, NewGap};
pub use hold::{Hold, NewHold, Release, Released};
pub use key::{IssuedKey, Key, KeyLink, Me, NewKey};
pub use limit::{Limit, Most};
pub use metrics::{Asked, Metrics, MetricsFigure, MetricsPoint, MetricsRun, MetricsRuns, MetricsSection};
pub use outage::{Outage, OutageProbe};
pub use overview::{
    BaseCheck, FindingFigures, Overview, PolicyOverview, ReviewerFigures, RunFigures, ShadowFigures,
    TierOverview,
};
pub use policy::{
    NewSimulation, NewValidation, PolicyOutlook, PolicyRemark, PolicySimulation, SimulatedChange,
    SimulationSummary, Today, Validation,
};
pub use problem::{Fault, Problem};
pub use product::{NewProposal, Product, ProductChanges, Proposal, Reviewer};
pub use pull::{JudgedBy, JudgedPull, JudgedPulls};
pub use question::{NewAnswer, NewAnswers, QuestionRound, Questions};
pub use requirement::{Accepted, NewRequester, NewRequirement, Requirement, Requirements};
pub use retro::{AcceptProposal, DismissProposal, FiledProposal, FiledProposals, Lesson, LookBack, Wasted};
pub use run::{Paused, Progress, Run, Spent, Why};
pub use schedule::{NewSchedule, Schedule, Tick};
pub use subscription::{Deliveries, Delivery, NewSubscription, Replay, Replayed, Subscription};
pub use summary::Summary;
pub use test_run::{Demanded, TestRun};
pub use webhook::{Receipt, ReceiptResult};
pub use worker::{Drained, Queue, Slots, Worker, WorkerState};
