//! The policy's assessments.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::store::assessment;

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

impl From<assessment::Row> for Assessment {
    fn from(row: assessment::Row) -> Self {
        let assessment::Row { id, stage, head_sha, tier, decision, facts, report, assessed_at } = row;
        Self { id, stage, head_sha, tier, decision, facts, report, assessed_at }
    }
}
