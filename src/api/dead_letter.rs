//! Dead letters and their redrive.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::dead_letter;

/// A job that used up its attempts, while its run was given no other chance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Its number; later ones are higher.
    pub id: i64,
    /// The run.
    pub run_id: Uuid,
    /// The run's product.
    pub product: String,
    /// The step that died.
    pub step: String,
    /// The job's number in its run.
    pub turn: i32,
    /// The attempts that were made.
    pub attempts: i32,
    /// What went wrong last.
    pub error: String,
    /// When.
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

/// Which dead letters get another chance: by `ids`, or by `filter` with the count that the caller saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redrive {
    /// Why, for those who read the history: one line of 1 to 500 characters.
    pub reason: String,
    /// These, at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<i64>>,
    /// All that fit, at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<RedriveFilter>,
    /// How many the caller saw that fit the filter; another count refuses the whole request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<u32>,
    /// A filter that says nothing means every dead letter.
    #[serde(default)]
    pub all: bool,
}

/// What dead letters have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedriveFilter {
    /// Only this product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Only this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Only errors that hold this text, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_contains: Option<String>,
    /// Only what died before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub died_before: Option<DateTime<Utc>>,
}

/// What became of each dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Redriven {
    /// One for each that was asked for, in that order.
    pub items: Vec<RedrivenLetter>,
}

/// What became of one dead letter.
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
