//! Attempts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::attempt;

/// An attempt at a job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// The job's number in its run.
    pub turn: i32,
    /// The attempt's number in its job, from 1.
    pub attempt: i32,
    /// The step.
    pub step: String,
    /// The worker.
    pub worker: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; absent while it runs.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended: `answered`, `parked`, `failed` or `lost`.
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
