//! Dead letters and their redrive.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::dead_letter;

/// A job that used up its attempts, and whose run was neither redriven nor retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Its number; later ones are higher.
    pub id: i64,
    /// The run.
    pub run_id: Uuid,
    /// The run's product.
    pub product: String,
    /// The step that failed.
    pub step: String,
    /// The job's number in its run.
    pub turn: i32,
    /// The attempts that were made.
    pub attempts: i32,
    /// The last error.
    pub error: String,
    /// When its last attempt failed.
    pub died_at: DateTime<Utc>,
}

/// A page of dead letters, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeadLetters {
    /// The dead letters.
    pub items: Vec<DeadLetter>,
    /// Gives the next page as `?cursor=`; absent on the last one.
    pub next_cursor: Option<i64>,
}

/// Which dead letters to redrive: by `ids`, or by `filter` with the count that the caller saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redrive {
    /// Why, for those who read the history: one line of 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
    /// The letters by id, at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<i64>>,
    /// All letters that match, at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<RedriveFilter>,
    /// How many matching letters the caller saw; with any other count nothing is redriven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<u32>,
    /// Confirms that an empty filter means every dead letter.
    #[serde(default)]
    pub all: bool,
}

/// What dead letters must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedriveFilter {
    /// Only this product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Only this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Only errors that contain this text, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_contains: Option<String>,
    /// Only letters from before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub died_before: Option<DateTime<Utc>>,
}

/// The result of a redrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Redriven {
    /// One for each requested letter, in that order.
    pub items: Vec<RedrivenLetter>,
}

/// The result for one dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RedrivenLetter {
    /// Its number.
    pub id: i64,
    /// `redriven`, `already` or `refused`.
    pub done: String,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl From<dead_letter::Row> for DeadLetter {
    fn from(row: dead_letter::Row) -> Self {
        let dead_letter::Row { id, run_id, product, step, turn, attempts, error, died_at } = row;
        Self { id, run_id, product, step, turn, attempts, error, died_at }
    }
}
