//! The controls of a run.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// To pause, resume, cancel or run a run now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Why, for those who read the history: one line of 1 to 500 characters.
    pub reason: String,
}

/// To answer in the place of a run's step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// Why, for those who read the history: one line of 1 to 500 characters.
    pub reason: String,
    /// The answer, one of those that the step can give.
    pub outcome: String,
}

/// To let a run begin again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Why, for those who read the history: one line of 1 to 500 characters.
    pub reason: String,
    /// The step to begin at; where the run ended unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// To begin a new run from a step of one that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// Why, for those who read the history: one line of 1 to 500 characters.
    pub reason: String,
    /// The step to begin at.
    pub step: String,
}
