//! What reviews found and the policy said.

use crate::{
    core::finding::Finding as CoreFinding,
    store::{assessment, review},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A finding and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The head on which it was found.
    pub head_sha: String,
    /// The same on every head.
    pub fingerprint: String,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: String,
    /// Is sent to remediation.
    pub actionable: bool,
    /// Blocks the merge while it is open.
    pub blocking: bool,
    /// The file.
    pub path: String,
    /// The line on that head.
    pub line: Option<i32>,
    /// What is wrong.
    pub message: String,
    /// `open`, `fixed`, `gone` or `dismissed`.
    pub state: String,
    /// The head on which it was seen to be fixed or gone.
    pub state_sha: Option<String>,
    /// Why it was dismissed.
    pub state_note: Option<String>,
}

/// What the policy said of one head, with every fact it rests on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Assessment {
    /// Its number; later ones are higher.
    pub id: i64,
    /// `preflight` or `verdict`.
    pub stage: String,
    /// The head that was judged.
    pub head_sha: String,
    /// `low`, `medium`, `high` or `critical`.
    pub tier: String,
    /// What was decided, in one word.
    pub decision: String,
    /// Every fact it rests on.
    pub facts: Value,
    /// The judgement, which explains itself.
    pub report: Value,
    /// When.
    pub assessed_at: DateTime<Utc>,
}

impl From<review::Row> for Finding {
    fn from(row: review::Row) -> Self {
        let CoreFinding { severity, .. } = row.finding();
        Self {
            head_sha: row.head_sha,
            fingerprint: row.fingerprint,
            severity: row.severity,
            actionable: severity.is_actionable(),
            blocking: severity.blocks(),
            path: row.path,
            line: row.line,
            message: row.message,
            state: row.state,
            state_sha: row.state_sha,
            state_note: row.state_note,
        }
    }
}

impl From<assessment::Row> for Assessment {
    fn from(row: assessment::Row) -> Self {
        let assessment::Row { id, stage, head_sha, tier, decision, facts, report, assessed_at } = row;
        Self { id, stage, head_sha, tier, decision, facts, report, assessed_at }
    }
}
