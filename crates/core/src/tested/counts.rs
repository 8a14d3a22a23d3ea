//! How many cases a run had, by the runner's own summary.

use serde::{Deserialize, Serialize};

/// How many cases; `None` where the runner does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Found in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected: Option<u32>,
    /// Passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<u32>,
    /// Failed, or ended in an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u32>,
    /// Skipped, or expected to fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u32>,
}

impl Counts {
    pub(super) fn of(passed: u32, failed: u32, skipped: u32) -> Self {
        let collected = passed.saturating_add(failed).saturating_add(skipped);
        Self {
            collected: Some(collected),
            passed: Some(passed),
            failed: Some(failed),
            skipped: Some(skipped),
        }
    }

    /// Both together: a command may run several runners.
    pub(super) fn and(self, other: Self) -> Self {
        let add = |one: Option<u32>, two: Option<u32>| match (one, two) {
            (Some(one), Some(two)) => Some(one.saturating_add(two)),
            (one, two) => one.or(two),
        };
        Self {
            collected: add(self.collected, other.collected),
            passed: add(self.passed, other.passed),
            failed: add(self.failed, other.failed),
            skipped: add(self.skipped, other.skipped),
        }
    }

    /// The counts that are known and not zero: `2 passed, 1 failed`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let parts = [(self.passed, "passed"), (self.failed, "failed"), (self.skipped, "skipped")];
        let known = parts.into_iter().filter_map(|(count, word)| count.map(|count| (count, word)));
        let shown: Vec<String> =
            known.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        shown.join(", ")
    }
}
