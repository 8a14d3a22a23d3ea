//! Problems (RFC 9457): the one shape of every error.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem as in RFC 9457, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of problem; `/problems/<code>` explains it.
    pub r#type: String,
    /// The kind of problem in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time and what to do.
    pub detail: String,
    /// The requested path.
    #[serde(default)]
    pub instance: String,
    /// The kind of problem in one word, for programs.
    pub code: String,
    /// Each invalid field or parameter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// Identifies this request in the server's log.
    #[serde(default)]
    pub request_id: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

/// What is wrong with one part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// Where in the body, as a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The parameter of the path or query, or the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong, the limit, and what to do.
    pub detail: String,
}
