//! Harness gaps: an incident that no case of the harness would have caught, the clock until one is merged, and the proof that the
//! case shows the incident.

mod blame;
mod clock;
mod proof;

pub use self::{
    blame::blamed_pull,
    clock::{Clock, DEFAULT_LIMIT_MINUTES, LONGEST_AGO_DAYS, REMINDERS, Reading},
    proof::{CaseFile, Proof, Unproven},
};

/// The label of issues that open gaps where the policy names none, as the contract's own example has it.
pub const DEFAULT_LABEL: &str = "harness-gap";
/// The rule of the policy for incidents, as the contract's own example has it.
pub const DEFAULT_KIND: &str = "productionIncident";
/// What a list of gaps may be filtered by: what becomes of one, and `overdue`, which is open after its case was due.
pub const STATES: [&str; 4] = ["open", "overdue", "converted", "dismissed"];
/// What the titles of issues begin with.
pub const TITLE_MARK: &str = "[HARNESS GAP]";
