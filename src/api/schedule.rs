//! Schedules and their ticks.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::schedule;

/// A requirement that is submitted again and again, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSchedule {
    /// Minute, hour, day of the month, month, day of the week, in UTC: `0 6 * * mon-fri`.
    pub cron: String,
    /// The product.
    pub product: String,
    /// The title of each requirement.
    pub title: String,
    /// The body of each requirement; in a response empty for callers who may not see prompts.
    pub body: String,
    /// 1 (first) to 5 (last).
    #[serde(default = "super::requirement::normal")]
    #[schema(default = 3, minimum = 1, maximum = 5)]
    pub priority: u8,
    /// Why, for those who read it later: one line of 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// When it ticks, in UTC.
    pub cron: String,
    /// The product.
    pub product: String,
    /// The title of each requirement.
    pub title: String,
    /// The body of each requirement; in a response empty for callers who may not see prompts.
    pub body: String,
    /// 1 (first) to 5 (last).
    pub priority: i16,
    /// The next tick; absent while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<DateTime<Utc>>,
    /// Who last set, paused or resumed it.
    pub updated_by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub updated_at: DateTime<Utc>,
    /// Its last ticks, newest first; only in the response for one schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticks: Option<Vec<Tick>>,
}

/// A tick of a schedule and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tick {
    /// The time that the expression names.
    pub at: DateTime<Utc>,
    /// When it was fired.
    pub fired_at: DateTime<Utc>,
    /// How many earlier ticks an outage made the workers miss; this one makes up for them.
    pub missed: i32,
    /// The requirement that was submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement_id: Option<Uuid>,
    /// Its run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Uuid>,
    /// Why nothing was submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl From<schedule::Row> for Schedule {
    fn from(row: schedule::Row) -> Self {
        let schedule::Row {
            name,
            cron,
            product,
            title,
            body,
            priority,
            next_at,
            updated_by,
            reason,
            updated_at,
        } = row;
        Self {
            name,
            cron,
            product,
            title,
            body,
            priority,
            next_at,
            updated_by,
            reason,
            updated_at,
            ticks: None,
        }
    }
}

impl From<schedule::Tick> for Tick {
    fn from(row: schedule::Tick) -> Self {
        let schedule::Tick { at, fired_at, missed, requirement_id, run_id, error } = row;
        Self { at, fired_at, missed, requirement_id, run_id, error }
    }
}
