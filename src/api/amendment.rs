//! How requirements change after they were submitted.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{core::edit::unified_diff, store::amendment};

/// Another text for a requirement whose run lives. What is left out stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Amend {
    /// One plain line of 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub title: Option<String>,
    /// Everything else that the model must know, 1 byte to 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 65536)]
    pub body: Option<String>,
    /// Why, for those who read the history: one line of 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// Submits a requirement again whose run ended without a merge. What is left out is taken over from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resubmit {
    /// One plain line of 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub title: Option<String>,
    /// Everything else that the model must know, 1 byte to 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 65536)]
    pub body: Option<String>,
    /// 1 (first) to 5 (last).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 5)]
    pub priority: Option<u8>,
}

/// An amendment of a requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Amendment {
    /// The edition that it made, from 1.
    pub edition: i32,
    /// Who amended it.
    pub amended_by: String,
    /// When.
    pub amended_at: DateTime<Utc>,
    /// Why.
    pub reason: String,
    /// What it changed of title and body: a unified diff.
    pub diff: String,
}

/// Something about an accepted requirement that is worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// `duplicate`.
    pub code: String,
    /// What it is, and what to do.
    pub detail: String,
    /// The other requirement.
    pub requirement: Uuid,
}

impl Warning {
    /// The requirement has the same text as another one whose run has not ended.
    #[must_use]
    pub fn duplicate(other: Uuid) -> Self {
        let detail = format!("requirement {other} has the same title and body, and its run has not ended");
        Self { code: "duplicate".to_owned(), detail, requirement: other }
    }
}

impl From<amendment::Row> for Amendment {
    fn from(row: amendment::Row) -> Self {
        let text = |title: &str, body: &str| format!("{title}\n\n{body}\n");
        let (before, after) =
            (text(&row.title_before, &row.body_before), text(&row.title_after, &row.body_after));
        Self {
            edition: row.edition,
            amended_by: row.amended_by,
            amended_at: row.amended_at,
            reason: row.reason,
            diff: unified_diff("requirement", Some(&before), Some(&after)),
        }
    }
}
