//! Holds: what people have stopped, and may release.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{core::hold, store::hold::Placed};

/// A hold: no job of its scope begins, and nothing of it is merged, until it is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hold {
    /// `all`, `product:<name>`, `queue:<default|llm|github>` or `worker:<name>`.
    pub scope: String,
    /// Why.
    pub reason: String,
    /// Who holds it.
    pub by: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When it was placed: how many jobs of the scope still ran. Their attempts may end, and nothing follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<i64>,
}

/// What to hold, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHold {
    /// `all`, `product:<name>`, `queue:<default|llm|github>` or `worker:<name>`.
    pub scope: String,
    /// Why, in a sentence for people; up to 2,000 characters.
    pub reason: String,
}

/// What to release, and how fast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The scope of the hold.
    pub scope: String,
    /// How many of the jobs that are due may begin in a minute; absent: all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 6000)]
    pub per_minute: Option<u32>,
}

/// A hold that was released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Released {
    /// The scope.
    pub scope: String,
    /// How many of its jobs were due.
    pub due: u64,
}

impl From<hold::Hold> for Hold {
    fn from(hold: hold::Hold) -> Self {
        let hold::Hold { scope, reason, by, since } = hold;
        Self { scope, reason, by, since, running: None }
    }
}

impl From<Placed> for Hold {
    fn from(placed: Placed) -> Self {
        Self { running: Some(placed.running), ..placed.hold.into() }
    }
}
