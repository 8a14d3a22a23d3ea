//! What REST gives and takes, apart from how it is stored, so that the one can change without the other.
//!
//! Times are RFC 3339 in UTC, money is whole millionths of a dollar, ids are UUIDs.

mod act;
mod budget;
mod control;
mod event;
mod judgement;
mod limit;
mod problem;
mod product;
mod requirement;
mod run;
mod schedule;
mod summary;

pub use act::{Attempt, Diff, Effect};
pub use budget::{
    Budget, LastSet, NewBudget, NewProductBudget, NewRelease, NewRunBudget, ProductBudget, RunBudget,
    Unsettled,
};
pub use control::{
    Control, DeadLetter, DeadLetters, Fork, Redrive, RedriveFilter, Redriven, RedrivenLetter, Retry, Skip,
};
pub use event::{Event, Events, Fact};
pub use judgement::{Assessment, Finding};
pub use limit::{Limit, Most};
pub use problem::{Fault, Problem};
pub use product::Product;
pub use requirement::{Accepted, NewRequirement, Requirement, Requirements};
pub use run::{Paused, Progress, Run, Spent, Why};
pub use schedule::{NewSchedule, Schedule, Tick};
pub use summary::Summary;
