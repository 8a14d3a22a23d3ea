//! Pull requests that others opened, and the runs that judge them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::pull;

/// A run that judges a pull request of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JudgedPull {
    /// The run.
    pub run_id: Uuid,
    /// The product that it is judged for.
    pub product: String,
    /// The repository, `owner/name`.
    pub repository: String,
    /// The number of the pull request.
    pub pull: i64,
    /// Its title.
    pub title: String,
    /// The login of who opened it; absent if the account was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// `active`, `waiting`, `paused` or `ended`.
    pub state: String,
    /// `succeeded`, `failed`, `blocked` or `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_as: Option<String>,
    /// `low`, `medium`, `high` or `critical`, at its last assessment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// What it waits for, or why it ended; it can hold foreign text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the run began.
    pub created_at: DateTime<Utc>,
}

/// A page of runs that judge pull requests of others, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JudgedPulls {
    /// The runs.
    pub items: Vec<JudgedPull>,
    /// Gives the next page as `?cursor=`; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Uuid>,
}

impl From<pull::Listed> for JudgedPull {
    fn from(row: pull::Listed) -> Self {
        Self {
            run_id: row.run_id,
            product: row.product,
            repository: row.repository,
            pull: row.number,
            title: row.title,
            author: row.author_login,
            state: row.status,
            ended_as: row.ended_as,
            tier: row.tier,
            reason: row.reason,
            created_at: row.created_at,
        }
    }
}
