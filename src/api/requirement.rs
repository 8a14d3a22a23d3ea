//! Requirements, and the response to a submitted one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Warning;
use crate::{
    core::why::why,
    store::{amendment::Links, requirement, standing::Standing},
};

/// A requirement to submit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRequirement {
    /// The name of a product that exists.
    #[schema(pattern = "^[a-z][a-z0-9-]{0,39}$")]
    pub product: String,
    /// One plain line of 1 to 200 characters; becomes the pull request's title.
    #[schema(min_length = 1, max_length = 200)]
    pub title: String,
    /// Everything else that the model must know, 1 byte to 64 KiB.
    #[schema(min_length = 1, max_length = 65536)]
    pub body: String,
    /// 1 (first) to 5 (last).
    #[serde(default = "normal")]
    #[schema(default = 3, minimum = 1, maximum = 5)]
    pub priority: u8,
    /// The most that its run's model calls may use; left out: no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<super::NewBudget>,
    /// Who asked for it; left out: the caller. Only `agent` and `admin` may name another person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<NewRequester>,
    /// The requirement of the same product that it takes the place of; its run must have ended without a merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Uuid>,
}

/// Who asked for a requirement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRequester {
    /// One plain line of at most 100 characters. Left out: the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their login on the forge; left out: the one that is linked to the caller. They cannot approve their own critical change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forge_login: Option<String>,
}

/// An accepted requirement: it is stored, and a run works on it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The requirement.
    pub id: Uuid,
    /// Its run.
    pub run_id: Uuid,
    /// The run's path in this API.
    pub run_url: String,
    /// The run's page for people.
    pub page_url: String,
    /// The requirement that it took the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Uuid>,
    /// What is worth knowing about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// A requirement and the state of its run.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Requirement {
    /// Its id.
    pub id: Uuid,
    /// The product that it is for.
    pub product: String,
    /// One line.
    pub title: String,
    /// Everything else; lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// 1 (first) to 5 (last).
    pub priority: i16,
    /// Who submitted it, if known.
    pub requested_by: Option<String>,
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// Its run.
    pub run_id: Uuid,
    /// `active`, `waiting`, `paused` or `ended`.
    pub state: String,
    /// The step that its run is at.
    pub step: Option<String>,
    /// `succeeded`, `failed`, `blocked` or `cancelled`.
    pub ended_as: Option<String>,
    /// The pull request's number.
    pub pull: Option<i64>,
    /// How often its text was amended; lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<i32>,
    /// The requirement that this one took the place of; lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Uuid>,
    /// The requirement that took its place; lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<Uuid>,
    /// Why its run stands where it does, in a sentence; lists have it, and it can hold foreign text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The tier of the change at its last assessment; in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// What its model calls cost, in millionths of a dollar; in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_micro_dollars: Option<i64>,
    /// Since when its run stands where it does; in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
}

/// A page of requirements, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Requirements {
    /// The requirements.
    pub items: Vec<Requirement>,
    /// Gives the next page as `?cursor=`; absent on the last one.
    pub next_cursor: Option<String>,
}

pub(super) const fn normal() -> u8 {
    3
}

impl Requirement {
    /// The same with how its run stands.
    #[must_use]
    pub fn standing(self, found: Option<&Standing>) -> Self {
        let Some(Standing { stored, job, spent }) = found else { return self };
        Self {
            why: Some(why(&stored.run, job.as_ref()).sentence(stored.now)),
            tier: stored.run.progress.tier.map(|tier| tier.as_str().to_owned()),
            spent_micro_dollars: Some(*spent),
            since: Some(stored.run.state.since().unwrap_or(stored.updated_at)),
            ..self
        }
    }
}

impl From<requirement::Row> for Requirement {
    fn from(row: requirement::Row) -> Self {
        Self {
            id: row.id,
            product: row.product,
            title: row.title,
            body: Some(row.body),
            priority: row.priority,
            requested_by: row.requested_by,
            created_at: row.created_at,
            run_id: row.run_id,
            state: row.status,
            step: row.step,
            ended_as: row.ended_as,
            pull: row.pull,
            edition: None,
            since: None,
            spent_micro_dollars: None,
            superseded_by: None,
            supersedes: None,
            tier: None,
            why: None,
        }
    }
}

impl Requirement {
    /// The same with what lists leave out.
    #[must_use]
    pub fn with(self, edition: i32, links: Links) -> Self {
        let Links { supersedes, superseded_by } = links;
        Self { edition: Some(edition), supersedes, superseded_by, ..self }
    }
}
