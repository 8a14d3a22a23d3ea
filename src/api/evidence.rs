//! Browser evidence: what is sent, and what was found in it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    core::{
        evidence::{CheckedFlow, Manifest, Verified},
        policy::EVIDENCE_CHECK,
    },
    store::evidence,
};

/// Browser evidence of a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEvidence {
    /// The repository, `owner/name`.
    pub repository: String,
    /// The head that was captured: all 40 digits. It must be the head of an open run.
    #[schema(min_length = 40, max_length = 40, pattern = "^[0-9a-f]{40}$")]
    pub head_sha: String,
    /// The run; without it, the open run of the repository whose head it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Uuid>,
    /// The manifests, one each flow, at most 50; docs/evidence.schema.json describes one.
    #[schema(value_type = Vec<Object>, min_items = 1, max_items = 50)]
    pub manifests: Vec<Manifest>,
    /// The screenshots that the manifests name, at most 100.
    #[schema(max_items = 100)]
    pub files: Vec<NewPicture>,
}

/// A screenshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPicture {
    /// Its name, as the manifest has it.
    #[schema(example = "portfolio-view-1.png")]
    pub path: String,
    /// Its bytes in base64, at most 8 MiB of them.
    pub content: String,
}

/// What was found in evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceAnswer {
    /// `success` or `failure`, under the policy of the base. It is judged again with the head.
    pub conclusion: String,
    /// Each flow that came.
    pub flows: Vec<FlowAnswer>,
    /// Flows that the policy requires and that did not come.
    pub missing: Vec<String>,
    /// The run.
    pub run: Uuid,
    /// The check that its next step publishes on the head; null where another app reports it.
    pub check: Option<String>,
}

/// What was found in one flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowAnswer {
    /// Its name.
    pub flow: String,
    /// Whether nothing is wrong with it.
    pub verified: bool,
    /// What is wrong, one sentence each.
    pub faults: Vec<String>,
}

impl From<&CheckedFlow> for FlowAnswer {
    fn from(flow: &CheckedFlow) -> Self {
        Self {
            flow: flow.flow.clone(),
            verified: flow.is_verified(),
            faults: flow.faults.iter().map(|fault| fault.text.clone()).collect(),
        }
    }
}

impl EvidenceAnswer {
    /// What was found in evidence of a run; `is_ours` says whether we publish the check.
    #[must_use]
    pub fn new(run: Uuid, verified: &Verified, is_ours: bool) -> Self {
        Self {
            conclusion: if verified.holds() { "success" } else { "failure" }.to_owned(),
            flows: verified.flows.iter().map(FlowAnswer::from).collect(),
            missing: verified.missing.clone(),
            run,
            check: is_ours.then(|| EVIDENCE_CHECK.to_owned()),
        }
    }
}

/// Evidence that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// Its number, in ascending order.
    pub id: i64,
    /// The run that it came for.
    pub run: Uuid,
    /// The head that it is of.
    pub head: String,
    /// `success` or `failure`, under the policy of the base when it came.
    pub conclusion: String,
    /// Each flow that came.
    pub flows: Vec<FlowAnswer>,
    /// Flows that the policy required and that did not come.
    pub missing: Vec<String>,
    /// The manifests as they came. A screenshot is at `/runs/{run}/evidence/{sha256}`.
    #[schema(value_type = Vec<Object>)]
    pub manifests: Vec<Manifest>,
    /// Who sent it.
    pub by: String,
    /// When it came.
    pub arrived_at: DateTime<Utc>,
}

impl From<evidence::Row> for Evidence {
    fn from(row: evidence::Row) -> Self {
        Self {
            id: row.id,
            run: row.run_id,
            head: row.head_sha,
            conclusion: row.conclusion,
            flows: row.verified.flows.iter().map(FlowAnswer::from).collect(),
            missing: row.verified.0.missing,
            manifests: row.manifests.0,
            by: row.person,
            arrived_at: row.arrived_at,
        }
    }
}
