//! A run of a product's tests, as a value: they passed, they failed, or they could not run, and why.
//!
//! [`read`](Tested::read) is pure: from the exit code and the output of the command. What a runner's own words say is the
//! word of the code that it runs, so a known runner that ends without them has not passed, whatever its exit code.

mod assertion;
mod cause;
mod counts;
mod coverage;
mod demand;
mod files;
mod names;
mod read;
mod runners;
mod text;
mod together;

use serde::{Deserialize, Serialize};

pub use self::{
    cause::{Cause, Fault, fault},
    counts::Counts,
    coverage::Coverage,
    demand::{Demand, Demanded},
    files::{LostCases, PutBack, TestFile, is_test_file, lost_cases, put_back},
    names::{Case, cases},
    runners::Runner,
    text::{LINES_KEPT, plain},
};

/// The most names of failed cases that are kept.
pub const MOST_FAILURES: usize = 50;

/// What a run of the tests came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestResult {
    /// They ran, and all passed.
    Passed,
    /// They ran, and some failed.
    Failed,
    /// They could not run, or not all of them: it says nothing of the code that they test.
    NotRun,
}

impl TestResult {
    /// The name in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotRun => "not_run",
        }
    }

    /// The same for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotRun => "could not run",
        }
    }
}

/// One run of a product's tests on one tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// What it came to.
    pub result: TestResult,
    /// Why they could not run; `None` if they ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What happened, one sentence without its full stop; empty if they passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The command, word by word.
    pub command: Vec<String>,
    /// Its exit code, 128 and more for a signal; `None` if it was killed or never started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The runner whose words were recognised, or that the command names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<Runner>,
    /// How many cases, as far as the runner says.
    #[serde(default)]
    pub counts: Counts,
    /// How long it took.
    pub millis: u64,
    /// The names of cases that failed, as the runner writes them, at most [`MOST_FAILURES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// Of those, the ones that failed by an assertion, as far as the runner tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_assertion: Vec<String>,
    /// The last [`LINES_KEPT`] lines of the output, and what says which cases failed of those before them; without colours
    /// and control characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
    /// What else the product file asks of the tree; empty until its tests pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<Demanded>,
}

/// What came out of a command.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// Its exit code, 128 and more for a signal; `None` if it was killed.
    pub exit: Option<i32>,
    /// Whether it was killed at the time limit.
    pub timed_out: bool,
    /// Standard output and error as one stream, or the end of it.
    pub output: &'a str,
    /// How long it took.
    pub millis: u64,
}

impl Tested {
    /// Reads what a run of a command came to.
    #[must_use]
    pub fn read(command: &[String], ended: Ended<'_>) -> Self {
        let text = plain(ended.output);
        let reading = read::reading(command, &ended, &text);
        Self {
            result: reading.result,
            cause: reading.cause,
            why: reading.why,
            command: command.to_vec(),
            exit: ended.exit,
            runner: reading.runner,
            counts: reading.counts,
            millis: ended.millis,
            by_assertion: assertion::by_assertion(reading.runner, &text, &reading.failures),
            failures: reading.failures,
            log: text::kept(&text),
            demands: Vec::new(),
        }
    }

    /// Tests that did not begin because what they need could not be set up, in this run of set-up.
    #[must_use]
    pub fn set_up_failed(command: &[String], ended: Ended<'_>) -> Self {
        let why = match ended.exit {
            _ if ended.timed_out => "the set-up took longer than its time limit".to_owned(),
            Some(exit) => format!("the set-up ended with exit code {exit}"),
            None => "the set-up was killed".to_owned(),
        };
        Self {
            exit: ended.exit,
            millis: ended.millis,
            log: text::kept(&plain(ended.output)),
            ..Self::not_run(command, Cause::Setup, why)
        }
    }

    /// Tests that were not even begun.
    #[must_use]
    pub fn not_run(command: &[String], cause: Cause, why: impl Into<String>) -> Self {
        Self {
            result: TestResult::NotRun,
            cause: Some(cause),
            why: why.into(),
            command: command.to_vec(),
            exit: None,
            runner: Runner::of(command),
            counts: Counts::default(),
            millis: 0,
            failures: Vec::new(),
            by_assertion: Vec::new(),
            log: String::new(),
            demands: Vec::new(),
        }
    }

    /// Whether they ran and all passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.result == TestResult::Passed
    }

    /// Whether they ran to their end, whatever came out.
    #[must_use]
    pub fn ran(&self) -> bool {
        self.result != TestResult::NotRun
    }

    /// Whether the tests passed, and all that the product file asks besides is met.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.passed() && self.unmet().is_none()
    }

    /// The first demand that is not met.
    #[must_use]
    pub fn unmet(&self) -> Option<&Demanded> {
        self.demands.iter().find(|demanded| !demanded.is_met())
    }

    /// The end of the output of what did not pass; else that of the tests.
    #[must_use]
    pub fn red_log(&self) -> &str {
        self.unmet().map_or(&self.log, |unmet| &unmet.log)
    }

    /// The same without its logs: for facts, which are recorded with every judgement.
    #[must_use]
    pub fn without_log(&self) -> Self {
        let mut short = Self { log: String::new(), ..self.clone() };
        short.demands.iter_mut().for_each(|demanded| demanded.log.clear());
        short
    }

    /// What happened in one line, for people: `passed (2 passed)`, `could not run: no test was collected`,
    /// `passed (2 passed); coverage: 80 % (4 of 5 lines), below the floor of 90 %`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let demands = self.demands.iter().map(Demanded::sentence);
        [self.tests_sentence()].into_iter().chain(demands).collect::<Vec<_>>().join("; ")
    }

    fn tests_sentence(&self) -> String {
        let counts = self.counts.sentence();
        match (self.result, counts.is_empty(), self.why.is_empty()) {
            (TestResult::NotRun, _, _) => format!("could not run: {}", self.why),
            (result, true, true) => result.words().to_owned(),
            (result, false, true) => format!("{} ({counts})", result.words()),
            (result, true, false) => format!("{}: {}", result.words(), self.why),
            (result, false, false) => format!("{} ({counts}): {}", result.words(), self.why),
        }
    }

    /// The names of failed cases for a sentence, at most `most` of them.
    #[must_use]
    pub fn failed_names(&self, most: usize) -> String {
        listed(&self.failures, most)
    }
}

/// Names for a sentence, at most `most` of them.
#[must_use]
pub fn listed(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
