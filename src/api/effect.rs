//! External effects, and the changes that were pushed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::store::effect;

/// What a push changes, as it was kept when the push was meant.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Diff {
    /// The push's name among the run's effects.
    pub key: String,
    /// When it was first meant.
    pub at: DateTime<Utc>,
    /// The commit that it changes.
    pub parent: String,
    /// The head that it made; absent until that is known.
    pub head: Option<String>,
    /// Unified, file after file, about 256 KiB at most.
    pub diff: String,
    /// Whether the end was too long to be kept.
    pub is_cut: bool,
}

/// One act on the outside world: what was meant and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Effect {
    /// Its name in its run.
    pub key: String,
    /// What kind of act it is.
    pub kind: String,
    /// What was meant.
    pub request: Value,
    /// How often it was begun.
    pub attempts: i32,
    /// When it was first meant.
    pub intended_at: DateTime<Utc>,
    /// What came of it.
    pub result: Option<Value>,
    /// When that was known.
    pub done_at: Option<DateTime<Utc>>,
}

impl From<effect::Row> for Effect {
    fn from(row: effect::Row) -> Self {
        let effect::Row { key, kind, request, attempts, intended_at, result, done_at } = row;
        Self { key, kind, request, attempts, intended_at, result, done_at }
    }
}

impl From<effect::Diff> for Diff {
    fn from(row: effect::Diff) -> Self {
        let effect::Diff { key, at, parent, head, text, is_cut } = row;
        Self { key, at, parent, head, diff: text, is_cut }
    }
}
