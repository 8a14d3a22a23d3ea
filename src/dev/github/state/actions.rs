//! Check suites and workflow runs.

use serde::{Deserialize, Serialize};

/// A group of check runs of one app on one commit; with GitHub Actions, of one workflow run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSuite {
    /// Unique in the twin.
    pub id: i64,
    /// The slug of the app.
    pub app: String,
    /// The commit.
    pub head_sha: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC.
    pub updated_at: String,
}

/// A run of a workflow on a commit. Its jobs are the check runs of its suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowRun {
    /// Unique in the twin; a re-run keeps it.
    pub id: i64,
    /// The workflow, which runs of the same name share.
    pub workflow: i64,
    /// The workflow's name.
    pub name: String,
    /// Its number among the runs of the workflow.
    pub number: i64,
    /// What started it, such as `pull_request`.
    #[serde(default = "pull_request")]
    pub event: String,
    /// The check suite of its jobs.
    pub suite: i64,
    /// The commit.
    pub head_sha: String,
    /// The branch that was pushed, if it is known.
    pub head_branch: Option<String>,
    /// Which attempt it is, counted from 1.
    pub attempt: i64,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// Set when completed.
    pub conclusion: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC.
    pub updated_at: String,
}

fn pull_request() -> String {
    "pull_request".to_owned()
}
