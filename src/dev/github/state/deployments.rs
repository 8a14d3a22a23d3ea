//! Deployments and their statuses.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request to deploy a commit somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Unique in the twin.
    pub id: i64,
    /// The commit.
    pub sha: String,
    /// What was named: a branch or a commit.
    pub name: String,
    /// What is to be done, such as `deploy`.
    pub task: String,
    /// What its creator sent along: an object or a text.
    pub payload: Value,
    /// The name of the place.
    pub environment: String,
    /// One line.
    pub description: Option<String>,
    /// The login of its creator.
    pub creator: String,
    /// Whether the place goes away by itself.
    pub is_transient: bool,
    /// Whether people use the place.
    pub is_production: bool,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC; that of its newest status.
    pub updated_at: String,
}

/// How a deployment stood at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentStatus {
    /// Unique in the twin.
    pub id: i64,
    /// Of which deployment.
    pub deployment: i64,
    /// `error`, `failure`, `inactive`, `in_progress`, `queued`, `pending` or `success`.
    pub state: String,
    /// One line; empty for none.
    pub description: String,
    /// The name of the place.
    pub environment: String,
    /// Where its log is; empty for none.
    pub log_url: String,
    /// Where the place is; empty for none.
    pub environment_url: String,
    /// The login of its creator.
    pub creator: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}
