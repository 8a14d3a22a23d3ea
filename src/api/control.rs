//! The controls of a run.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Pauses, resumes or cancels a run, or runs it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Why, for those who read the history: one line of 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// Approves a head, or withdraws what was said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The head that you looked at: all 40 digits. If the run's head is another, nothing is done.
    #[schema(min_length = 40, max_length = 40, pattern = "^[0-9a-f]{40}$")]
    pub head_sha: String,
    /// Why, for those who read the history: one line of at most 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    pub reason: Option<String>,
}

/// Rejects a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// The head that you looked at: all 40 digits. If the run's head is another, nothing is done.
    #[schema(min_length = 40, max_length = 40, pattern = "^[0-9a-f]{40}$")]
    pub head_sha: String,
    /// Why, for those who read the history: one line of 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// Skips a run's step: answers in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// Why, for those who read the history: one line of 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
    /// The outcome to record, one of the step's.
    pub outcome: String,
}

/// Starts a run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Why, for those who read the history: one line of 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
    /// The step to start at; by default where the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// Starts a new run from a step of one that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// Why, for those who read the history: one line of 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
    /// The step to start at.
    pub step: String,
}
