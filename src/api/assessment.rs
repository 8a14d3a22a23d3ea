//! The policy's assessments.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::store::assessment;

/// The policy's assessment of one head, with every fact that it is based on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Assessment {
    /// Its number; later ones are higher.
    pub id: i64,
    /// `preflight` or `verdict`.
    pub stage: String,
    /// The assessed head.
    pub head_sha: String,
    /// `low`, `medium`, `high` or `critical`.
    pub tier: String,
    /// The decision in one word.
    pub decision: String,
    /// Every fact that it is based on.
    pub facts: Value,
    /// The decision and its reasons.
    pub report: Value,
    /// When it was made.
    pub assessed_at: DateTime<Utc>,
}

impl From<assessment::Row> for Assessment {
    fn from(row: assessment::Row) -> Self {
        let assessment::Row { id, stage, head_sha, tier, decision, facts, report, assessed_at } = row;
        Self { id, stage, head_sha, tier, decision, facts, report, assessed_at }
    }
}
