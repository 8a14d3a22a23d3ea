//! What sums say, as answers to questions: each figure with what it rests on.

mod gaps;
mod reading;
mod sections;

use chrono::NaiveDate;

pub use self::gaps::GapSums;
use self::reading::Reading;
use super::{Range, Spread, Sum};

/// The answers to a few questions about a range of days.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// The questions, in order.
    pub sections: Vec<Section>,
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The name in addresses and JSON.
    pub name: &'static str,
    /// The question, for people.
    pub question: &'static str,
    /// The figures.
    pub figures: Vec<Figure>,
    /// What the points show.
    pub plotted: &'static str,
    /// The unit of the points.
    pub unit: Unit,
    /// The figure whose runs are those behind the points; `None`: they are of several figures.
    pub behind: Option<&'static str>,
    /// One for each day or month.
    pub points: Vec<Point>,
}

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The name in JSON and CSV.
    pub name: String,
    /// What it is, for people.
    pub label: String,
    /// Its unit.
    pub unit: Unit,
    /// The number; `None`: there is no data.
    pub value: Option<f64>,
    /// How many runs it rests on, where it is not a number of runs itself.
    pub of: Option<i64>,
    /// The figure whose runs are those behind it; `None`: no run is.
    pub behind: Option<String>,
}

/// A number for a day or a month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// The number.
    pub value: f64,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Runs.
    Runs,
    /// A share, 0 to 1.
    Share,
    /// Milliseconds.
    Milliseconds,
    /// Dollars.
    Dollars,
    /// Things other than runs: findings, rounds, incidents, tokens, lines.
    Number,
}

impl Unit {
    /// The name in JSON and CSV.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Share => "share",
            Self::Milliseconds => "ms",
            Self::Dollars => "usd",
            Self::Number => "number",
        }
    }
}

impl Board {
    /// What sums say. Each row is a day or the first of a whole month of the range, a figure and its sum.
    #[must_use]
    pub fn of(
        range: Range,
        rows: Vec<(NaiveDate, String, Sum)>,
        cycle: &Spread,
        first_pull: &Spread,
    ) -> Self {
        let reading = Reading::of(range, rows, cycle, first_pull);
        Self {
            sections: vec![
                sections::merged(&reading),
                sections::alone(&reading),
                sections::time(&reading),
                sections::cost(&reading),
                sections::findings(&reading),
                sections::broke(&reading),
            ],
        }
    }

    /// The same with what became of harness gaps; `median` is from the incident to the merged case, in milliseconds.
    #[must_use]
    pub fn and_gaps(mut self, range: Range, days: &[(NaiveDate, GapSums)], median: Option<f64>) -> Self {
        self.sections.push(gaps::section(range, days, median));
        self
    }
}
