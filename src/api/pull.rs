//! Pull requests that others opened, and the runs that judge them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    core::words::listed,
    store::{judged_by, pull},
};

/// By which products' settings a pull request of others is judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JudgedBy {
    /// The products that it touches and that judge, by name. None: it is not judged until a push touches one.
    pub products: Vec<String>,
    /// `off`, `shadow` or `on`: the strictest of theirs.
    pub judging: String,
    /// Whether it is merged here once it is cleared, without a request: all of them have that.
    pub merges: bool,
    /// Whether tests run here on its heads: one of them has that.
    pub tests: bool,
    /// Where they differ, which of them makes it stricter, and in what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

impl From<&judged_by::JudgedBy> for JudgedBy {
    fn from(by: &judged_by::JudgedBy) -> Self {
        Self {
            products: by.names().into_iter().map(str::to_owned).collect(),
            judging: by.wanted.judging.to_string(),
            merges: by.wanted.merges,
            tests: by.wanted.tests,
            because: by.because(),
        }
    }
}

impl JudgedBy {
    /// In a sentence without a full stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        if self.products.is_empty() {
            return "not judged: no product that it touches judges the pull requests of others".to_owned();
        }
        let names = listed(&self.products);
        if self.because.is_empty() {
            return format!("by the settings of {names}");
        }
        format!("by the strictest settings of {names}: {}", self.because.join("; "))
    }
}

/// A run that judges a pull request of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JudgedPull {
    /// The run.
    pub run_id: Uuid,
    /// The product that the run belongs to.
    pub product: String,
    /// The products that its head touches, as the last look found them; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touches: Option<Vec<String>>,
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
            touches: row.touched,
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
