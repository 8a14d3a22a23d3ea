//! What a run adds to the figures of the factory, and what sums of many runs say.
//!
//! [`Measure::of`] is what one run counts: a map from the names of figures to amounts. Sums of such maps, by day, product and
//! tier, are all that the [`Board`] reads, besides the spread of two spans of time.

mod board;
mod facts;
mod run;
mod spans;
mod spread;
mod time;

#[cfg(test)]
mod tests;

pub use self::{
    board::{Board, Figure, GapSums, Point, Section, Unit},
    facts::{Approved, Facts, FindingCount, Happening, Objectives},
    run::{Measure, NO_TIER},
    spans::{LONGEST_DAYS, Period, Range, WrongRange},
    spread::{Spread, bucket, middle},
    time::{Spent, spent},
};

/// Minutes from the submission to the first pull request, where a product sets no objective.
pub const FIRST_PULL_MINUTES: i32 = 30;
/// Minutes from the submission to the merge, where a product sets no objective: a day.
pub const LOOP_MINUTES: i32 = 1_440;

/// What runs add to a figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many runs add to it.
    pub runs: i64,
    /// What they add: a count, milliseconds, micro-dollars or lines, as the figure says.
    pub amount: i64,
}
