//! The findings of reviews.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{core::finding, store::review};

/// A finding and its state.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The head that it was found on.
    pub head_sha: String,
    /// Identifies the finding on every head.
    pub fingerprint: String,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: String,
    /// Whether it is sent to remediation.
    pub actionable: bool,
    /// Whether it blocks the merge while it is open.
    pub blocking: bool,
    /// The file.
    pub path: String,
    /// The line on that head.
    pub line: Option<i32>,
    /// What is wrong.
    pub message: String,
    /// The reviewer that found it, where it is not the built-in one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether it is only shown: an advisory reviewer found it.
    #[serde(default)]
    pub advisory: bool,
    /// `open`, `fixed`, `gone` or `dismissed`.
    pub state: String,
    /// The head that no longer has it, or on which it was dismissed.
    pub state_sha: Option<String>,
    /// Who dismissed it.
    #[serde(default)]
    pub state_by: Option<String>,
    /// Why it was dismissed.
    pub state_note: Option<String>,
}

impl From<review::Row> for Finding {
    fn from(row: review::Row) -> Self {
        let finding: finding::Finding = row.finding();
        Self {
            head_sha: row.head_sha,
            fingerprint: row.fingerprint,
            severity: row.severity,
            actionable: finding.is_actionable(),
            blocking: finding.is_blocking(),
            path: row.path,
            line: row.line,
            message: row.message,
            source: row.source,
            advisory: row.advisory,
            state: row.state,
            state_sha: row.state_sha,
            state_by: row.state_by,
            state_note: row.state_note,
        }
    }
}
