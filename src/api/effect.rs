//! External effects, and the changes that were pushed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::store::effect;

/// The changes of a push, as recorded with its intent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Diff {
    /// The push's effect key.
    pub key: String,
    /// When its intent was first recorded.
    pub at: DateTime<Utc>,
    /// The parent commit.
    pub parent: String,
    /// The head that it pushed; absent until that is known.
    pub head: Option<String>,
    /// The unified diff of all files, at most about 256 KiB.
    pub diff: String,
    /// Whether the diff was cut at that limit.
    pub is_cut: bool,
}

/// An external effect: its intent and its result.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Effect {
    /// Its key, unique in its run.
    pub key: String,
    /// The kind of effect.
    pub kind: String,
    /// The intent: what was requested.
    pub request: Value,
    /// How often it was attempted.
    pub attempts: i32,
    /// When its intent was first recorded.
    pub intended_at: DateTime<Utc>,
    /// The result; absent until it is known.
    pub result: Option<Value>,
    /// When the result was recorded.
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
