//! Issues.

use serde::{Deserialize, Serialize};

/// An issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Unique in the twin.
    pub id: i64,
    /// Unique in the repository, shared with pull requests.
    pub number: i64,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: Option<String>,
    /// The login of its author.
    pub author: String,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC; set while it is closed.
    #[serde(default)]
    pub closed_at: Option<String>,
    /// Why it is in its state: `completed`, `not_planned`, `duplicate` or `reopened`.
    #[serde(default)]
    pub state_reason: Option<String>,
}
