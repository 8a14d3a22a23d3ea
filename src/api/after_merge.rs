//! What followed the merge of a run's change: where it was deployed, what the base's own checks said, and who reverts it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    core::{
        aftermath::{BaseState, Check, sentence, state},
        deployment::{self, standing},
    },
    store::{base_watch, deployment::Row, revert},
};

/// What followed the merge of a run's change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AfterMerge {
    /// The commit on the base branch; absent while it is not merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<String>,
    /// The deployments of commits that contain the change, newest first, at most 50. Of each place those up to the first
    /// that succeeded; none: no data.
    pub deployments: Vec<Deployment>,
    /// What the base's own checks said after the merge; absent where they were not watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseWatch>,
    /// What the run reverts, if it reverts the merge of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts: Option<Reverts>,
    /// The runs that revert this one's merge, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reverted_by: Vec<RevertedBy>,
}

/// The base's own checks after a merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BaseWatch {
    /// `watching`, `green`, `red` (a check fails since this merge, and was green before), `green_again`, `red_before`,
    /// `not_known` or `no_data`.
    pub state: String,
    /// The same in a sentence.
    pub sentence: String,
    /// The checks of the merge commit.
    pub checks: Vec<BaseCheckState>,
    /// When they were looked at last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<DateTime<Utc>>,
    /// Until when they are watched.
    pub until: DateTime<Utc>,
    /// Why the last look failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The incident that was recorded, if a check broke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Uuid>,
}

/// A check of a merge commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BaseCheckState {
    /// Its name.
    pub name: String,
    /// `green`, `pending`, `broke`, `green_again`, `red_before`, `undecided`, `never_ran` or `silent`.
    pub meaning: String,
    /// The same in words.
    pub words: String,
    /// Where people read more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Since when it is green again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
}

/// What a run reverts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reverts {
    /// The run whose merge is reverted.
    pub run_id: Uuid,
    /// The commit on the base.
    pub sha: String,
    /// Why.
    pub reason: String,
}

/// A run that reverts a merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevertedBy {
    /// The run.
    pub run_id: Uuid,
    /// `active`, `waiting`, `paused`, or how it ended: `succeeded`, `failed`, `blocked` or `cancelled`.
    pub state: String,
    /// Who asked for it; `base-watch`: the product's setting.
    pub asked_by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl AfterMerge {
    /// Whether the merge can be reverted: it is not, and no run that would do it lives.
    #[must_use]
    pub fn is_revertible(&self) -> bool {
        let is_over = |it: &RevertedBy| matches!(it.state.as_str(), "failed" | "blocked" | "cancelled");
        self.merged.is_some() && self.reverted_by.iter().all(is_over)
    }
}

impl From<base_watch::Row> for BaseWatch {
    fn from(row: base_watch::Row) -> Self {
        let base_watch::Row { base_branch, until_at, is_over, checks, looked_at, incident_id, error, .. } =
            row;
        // What could not be looked at until the end is not known, whatever was seen before.
        let is_unread = is_over && error.is_some();
        Self {
            state: if is_unread { BaseState::NotKnown } else { state(&checks, is_over) }.as_str().to_owned(),
            sentence: match &error {
                Some(error) if is_unread => format!("not known: {error}"),
                _ => sentence(&checks, is_over, &base_branch),
            },
            checks: checks.0.into_iter().map(BaseCheckState::from).collect(),
            looked_at,
            until: until_at,
            error,
            incident: incident_id,
        }
    }
}

impl From<Check> for BaseCheckState {
    fn from(check: Check) -> Self {
        let Check { name, meaning, url, since } = check;
        Self { name, meaning: meaning.as_str().to_owned(), words: meaning.in_words().to_owned(), url, since }
    }
}

impl From<revert::Row> for RevertedBy {
    fn from(row: revert::Row) -> Self {
        let revert::Row { run_id, status, ended_as, asked_by, reason, created_at, .. } = row;
        Self { run_id, state: ended_as.unwrap_or(status), asked_by, reason, at: created_at }
    }
}

impl From<revert::Reverted> for Reverts {
    fn from(row: revert::Reverted) -> Self {
        Self { run_id: row.of_run, sha: row.of_sha, reason: row.reason }
    }
}

/// A deployment, as the forge announced it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// The forge's number.
    pub id: i64,
    /// The place, such as `production`.
    pub environment: String,
    /// Whether people use the place, as the forge says.
    pub production: bool,
    /// How it stands: the state of its newest status. Absent: it has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The commit.
    pub sha: String,
    /// What was named: a branch, a tag or a commit.
    pub reference: String,
    /// What is done, such as `deploy`.
    pub task: String,
    /// What its creator says of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The login of who made it; absent for an account that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
    /// When it was made, by the forge's clock.
    pub created_at: DateTime<Utc>,
    /// Where the place is, its log, or the deployments of the repository on the forge.
    pub url: String,
    /// Its statuses, in the order in which they were set.
    pub statuses: Vec<DeploymentStatus>,
}

/// How a deployment stood at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentStatus {
    /// `success`, `failure`, `error`, `inactive`, `in_progress`, `queued`, `pending`, or a word that the forge adds.
    pub state: String,
    /// What is said of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The login of who set it; absent for an account that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
    /// When, by the forge's clock.
    pub at: DateTime<Utc>,
    /// Where the log is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_url: Option<String>,
}

impl Deployment {
    /// The view of a stored deployment; `page` is the forge's page of the repository.
    #[must_use]
    pub fn new(row: Row, page: &str) -> Self {
        let Row { deployment, statuses } = row;
        let last = standing(&statuses);
        let named = statuses.iter().rev().find_map(|it| it.environment.clone());
        let url = |of: fn(&deployment::Status) -> &Option<String>| {
            statuses.iter().rev().find_map(|status| of(status).clone())
        };
        let url = url(|it| &it.environment_url)
            .or_else(|| url(|it| &it.log_url))
            .unwrap_or_else(|| format!("{page}/deployments"));
        Self {
            id: deployment.id,
            environment: named.unwrap_or(deployment.environment),
            production: deployment.is_production,
            state: last.map(|status| status.state.clone()),
            sha: deployment.sha.to_string(),
            reference: deployment.reference,
            task: deployment.task,
            description: deployment.description,
            creator: deployment.creator,
            created_at: deployment.created_at,
            url,
            statuses: statuses.into_iter().map(DeploymentStatus::from).collect(),
        }
    }

    /// How it stands, in a line such as `production: success since 2026-11-01 10:00 UTC`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let at = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M UTC");
        match self.statuses.last() {
            Some(last) => format!("{}: {} since {}", self.environment, last.state, at(last.at)),
            None => format!("{}: made {}, no status yet", self.environment, at(self.created_at)),
        }
    }
}

impl From<deployment::Status> for DeploymentStatus {
    fn from(status: deployment::Status) -> Self {
        let deployment::Status { state, description, creator, log_url, created_at, .. } = status;
        Self { state, description, creator, at: created_at, log_url }
    }
}
