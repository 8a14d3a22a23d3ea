//! Our own runs of products' tests.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    core::tested::{self, Tested},
    store::test_run,
};

/// What a demand of the product file came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Demanded {
    /// `lint` or `coverage`.
    pub demand: String,
    /// Whether the commit meets it.
    pub met: bool,
    /// The same and more in a sentence.
    pub sentence: String,
    /// The command lines.
    pub command: Vec<String>,
    /// The share of lines that the tests reach, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The last 200 lines of the output, where it is not met.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
}

impl From<tested::Demanded> for Demanded {
    fn from(it: tested::Demanded) -> Self {
        Self {
            demand: it.demand.as_str().to_owned(),
            met: it.is_met(),
            sentence: it.sentence(),
            percent: it.coverage.map(tested::Coverage::percent),
            command: it.command,
            seconds: std::time::Duration::from_millis(it.millis).as_secs_f64(),
            log: it.log,
        }
    }
}

/// One run of the product's tests, and why it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TestRun {
    /// The commit; for `fork_tests` the head.
    pub commit: String,
    /// `draft` (an answer of the model that was never pushed), `head`, `fork` (where the head forked from the base) or
    /// `fork_tests` (the tests of that commit over the head's code).
    pub purpose: String,
    /// `passed`, `failed` or `not_run`.
    pub result: String,
    /// The same and more in a sentence.
    pub sentence: String,
    /// Why they could not run: `code`, `module`, `nothing`, `command`, `timeout`, `killed`, `unfinished`, `setup` or
    /// `sandbox`. Absent if they ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The command, word by word.
    pub command: Vec<String>,
    /// Its exit code; 128 and more for a signal, absent if it was killed or never started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The runner whose words were recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
    /// How many cases were collected, as far as the runner says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected: Option<u32>,
    /// How many passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<u32>,
    /// How many failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u32>,
    /// How many were skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u32>,
    /// How long they took, in seconds.
    pub seconds: f64,
    /// The names of cases that failed, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// The last 200 lines of the output, and what says which cases failed of those before them; without colours.
    pub log: String,
    /// What else the product file asks of a commit whose tests pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<Demanded>,
    /// When this was recorded.
    pub at: DateTime<Utc>,
}

impl From<test_run::Row> for TestRun {
    fn from(row: test_run::Row) -> Self {
        let test_run::Row { commit_sha, purpose, tested, at } = row;
        let sentence = tested.0.sentence();
        let Tested { result, cause, command, exit, runner, counts, millis, failures, log, demands, .. } =
            tested.0;
        Self {
            commit: commit_sha,
            purpose,
            result: result.as_str().to_owned(),
            sentence,
            cause: cause.map(|cause| cause.as_str().to_owned()),
            command,
            exit,
            runner: runner.map(|runner| runner.name().to_owned()),
            collected: counts.collected,
            passed: counts.passed,
            failed: counts.failed,
            skipped: counts.skipped,
            seconds: std::time::Duration::from_millis(millis).as_secs_f64(),
            failures,
            log,
            demands: demands.into_iter().map(Demanded::from).collect(),
            at,
        }
    }
}

impl TestRun {
    /// Whether the tests passed, and all demands are met.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.result == "passed" && self.demands.iter().all(|demanded| demanded.met)
    }

    /// The end of the output of what did not pass; else that of the tests.
    #[must_use]
    pub fn red_log(&self) -> &str {
        let unmet = self.demands.iter().find(|demanded| !demanded.met);
        unmet.map_or(&self.log, |unmet| &unmet.log)
    }

    /// What was tested, for people.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self.purpose.as_str() {
            "draft" => "an answer of the model, never pushed",
            "fork" => "where the head forked from the base",
            "fork_tests" => "the base's tests over the head's code",
            _ => "the head",
        }
    }
}
