//! What a product file asks of a tree whose tests pass: that its lint passes, and that its tests reach enough of it.

use serde::{Deserialize, Serialize};

use super::{Coverage, Ended, plain, text};

/// A demand of the product file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// `lint` ends well.
    Lint,
    /// Its coverage is measured, and reaches the floor.
    Coverage,
}

impl Demand {
    /// The name in JSON and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lint => "lint",
            Self::Coverage => "coverage",
        }
    }
}

/// What a demand came to on one tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demanded {
    /// The demand.
    pub demand: Demand,
    /// The command lines.
    pub command: Vec<String>,
    /// Why it is not met, one sentence without its full stop; empty if it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Whether a person must see to it because the command is missing or was killed: its author cannot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_machine: bool,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The end of the output where it is not met.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
}

impl Demanded {
    /// What a lint came to: its exit code says it.
    #[must_use]
    pub fn lint(command: &[String], ended: Ended<'_>) -> Self {
        let (why, by_machine) = ending(&ended);
        Self::new(Demand::Lint, command, &ended, why, by_machine)
    }

    /// What a measurement came to: the report that it wrote, or why there is none, against the floor in percent.
    #[must_use]
    pub fn coverage(
        command: &[String],
        ended: Ended<'_>,
        report: Result<String, String>,
        floor: Option<f64>,
    ) -> Self {
        let (why, by_machine) = ending(&ended);
        if !why.is_empty() {
            return Self::new(Demand::Coverage, command, &ended, why, by_machine);
        }
        let read =
            report.and_then(|text| Coverage::read(&text).map_err(|wrong| format!("the report {wrong}")));
        match read {
            Err(why) => Self::new(Demand::Coverage, command, &ended, why, false),
            Ok(coverage) => {
                let below = floor.filter(|floor| !coverage.reaches(*floor));
                let why = below
                    .map(|floor| format!("{coverage}, below the floor of {floor} %"))
                    .unwrap_or_default();
                let demanded = Self::new(Demand::Coverage, command, &ended, why, false);
                Self { coverage: Some(coverage), ..demanded }
            }
        }
    }

    fn new(demand: Demand, command: &[String], ended: &Ended<'_>, why: String, by_machine: bool) -> Self {
        let log = if why.is_empty() { String::new() } else { text::kept(&plain(ended.output)) };
        Self { demand, command: command.to_vec(), why, by_machine, coverage: None, millis: ended.millis, log }
    }

    /// Whether the tree meets it.
    #[must_use]
    pub const fn is_met(&self) -> bool {
        self.why.is_empty()
    }

    /// What happened in one line, for people: `lint passed`, `coverage 98 % (49 of 50 lines)`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let name = self.demand.as_str();
        match (self.is_met(), self.coverage) {
            (false, _) => format!("{name}: {}", self.why),
            (true, Some(coverage)) => format!("{name} {coverage}"),
            (true, None) => format!("{name} passed"),
        }
    }
}

/// Why a command did not end well, and whether its author cannot help it. A shell says 126 and 127 of a command that is
/// not there, and 128 and more of one that was killed.
fn ending(ended: &Ended<'_>) -> (String, bool) {
    match ended.exit {
        _ if ended.timed_out => ("it took longer than its time limit".to_owned(), true),
        Some(0) => (String::new(), false),
        Some(exit @ (126 | 127)) => (format!("there is no such command here (exit code {exit})"), true),
        Some(exit) if exit >= 128 => (format!("it was killed (exit code {exit})"), true),
        Some(exit) => (format!("it ended with exit code {exit}"), false),
        None => ("it was killed".to_owned(), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(exit: i32) -> Ended<'static> {
        Ended { exit: Some(exit), timed_out: false, output: "src/a.py:1: unused import\n", millis: 5 }
    }

    fn command() -> Vec<String> {
        vec!["ruff check .".to_owned()]
    }

    #[test]
    fn a_lint_is_met_by_its_exit_code_alone() {
        let lint = |exit| Demanded::lint(&command(), ended(exit));
        assert_eq!(
            (lint(0).is_met(), lint(0).sentence(), lint(0).log),
            (true, "lint passed".into(), String::new())
        );
        let red = lint(1);
        assert_eq!(
            (red.is_met(), red.by_machine, red.sentence()),
            (false, false, "lint: it ended with exit code 1".into())
        );
        assert!(red.log.contains("unused import"));
        assert!(lint(127).by_machine && lint(137).by_machine);
    }

    #[test]
    fn coverage_is_met_at_the_floor_and_not_below_and_never_without_a_report() {
        let coverage = |report: Result<&str, &str>, floor| {
            let report = report.map(str::to_owned).map_err(str::to_owned);
            Demanded::coverage(&command(), ended(0), report, floor)
        };
        assert_eq!(coverage(Ok("LF:4\nLH:3"), Some(75.0)).sentence(), "coverage 75 % (3 of 4 lines)");
        let below = coverage(Ok("LF:4\nLH:3"), Some(75.1));
        assert_eq!(
            (below.is_met(), below.sentence()),
            (false, "coverage: 75 % (3 of 4 lines), below the floor of 75.1 %".into())
        );
        assert!(coverage(Ok("LF:4\nLH:3"), None).is_met());
        assert_eq!(coverage(Err("it wrote no `lcov.info`"), None).why, "it wrote no `lcov.info`");
        assert_eq!(coverage(Ok("nothing"), None).why, "the report is in no known format");
        assert!(!Demanded::coverage(&command(), ended(2), Ok("LF:1\nLH:1".into()), None).is_met());
    }
}
