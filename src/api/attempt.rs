//! Attempts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::attempt;

/// One try of a job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// The job's number in its run.
    pub turn: i32,
    /// The try's number, from 1.
    pub attempt: i32,
    /// The step.
    pub step: String,
    /// Who tried.
    pub worker: String,
    /// When.
    pub started_at: DateTime<Utc>,
    /// Until when.
    pub ended_at: Option<DateTime<Utc>>,
    /// `answered`, `parked`, `failed` or `lost`.
    pub ended_as: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

impl From<attempt::Row> for Attempt {
    fn from(row: attempt::Row) -> Self {
        let attempt::Row { turn, attempt, step, worker, started_at, ended_at, ended_as, error } = row;
        Self { turn, attempt, step, worker, started_at, ended_at, ended_as, error }
    }
}
