//! Worker processes, and what is queued for them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::worker::{Backlog, Row};

/// A worker process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// The process.
    pub id: Uuid,
    /// Its name in attempts and events; several processes may have one name.
    pub name: String,
    /// Its release.
    pub version: String,
    /// What it is doing.
    pub state: WorkerState,
    /// How many jobs of each of its queues it does at once.
    pub slots: Vec<Slots>,
    /// How many jobs are leased to workers of this name.
    pub running: i64,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it was last seen.
    pub seen_at: DateTime<Utc>,
    /// Who drains it, if anybody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_reason: Option<String>,
}

/// What a worker process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It claims jobs.
    Working,
    /// It ends its jobs, claims no more and then stops.
    Draining,
    /// It has not been seen for half a minute. Its jobs go to others once their leases have ended.
    Lost,
}

/// How many jobs of a queue a worker does at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Slots {
    /// The queue.
    pub queue: String,
    /// So many.
    pub slots: i32,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    /// `default`, `llm` or `github`.
    pub name: String,
    /// Jobs that may be claimed now.
    pub due: i64,
    /// Jobs that a worker has.
    pub running: i64,
    /// Jobs that are due later: retries, and what a limit or an outage holds back.
    pub scheduled: i64,
    /// Jobs of paused runs.
    pub paused: i64,
    /// Since when the job that has waited longest is due.
    pub oldest_due: Option<DateTime<Utc>>,
    /// Worker processes that serve it.
    pub workers: i64,
    /// The hold that keeps its jobs from beginning, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<super::Hold>,
}

/// A drain of workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drained {
    /// Processes that were asked now. Within seconds they claim no more jobs; they stop when theirs have ended.
    pub asked: i64,
    /// Processes that had been asked before.
    pub asked_before: i64,
}

impl From<Row> for Worker {
    fn from(row: Row) -> Self {
        let state = match (row.is_alive, &row.drained_by) {
            (false, _) => WorkerState::Lost,
            (true, Some(_)) => WorkerState::Draining,
            (true, None) => WorkerState::Working,
        };
        let slots = row.queues.into_iter().zip(row.slots);
        Self {
            id: row.id,
            name: row.name,
            version: row.version,
            state,
            slots: slots.map(|(queue, slots)| Slots { queue, slots }).collect(),
            running: row.running,
            started_at: row.started_at,
            seen_at: row.seen_at,
            drained_by: row.drained_by,
            drain_reason: row.drain_reason,
        }
    }
}

impl From<Backlog> for Queue {
    fn from(row: Backlog) -> Self {
        let Backlog { queue: name, due, running, scheduled, paused, oldest_due, workers } = row;
        Self { name, due, running, scheduled, paused, oldest_due, workers, held: None }
    }
}

impl WorkerState {
    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Draining => "draining",
            Self::Lost => "lost",
        }
    }
}
