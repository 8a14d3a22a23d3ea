//! News of an issue.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::fields::text;

/// What happens to an issue that says something of a harness gap. docs.github.com "Webhook events and payloads", `issues`.
const ACTIONS: [&str; 8] =
    ["opened", "labeled", "closed", "reopened", "deleted", "transferred", "unlabeled", "edited"];

/// News of an issue, which is no pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueNews {
    /// What happened.
    pub action: String,
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// Whether it is open.
    pub is_open: bool,
    /// Its page.
    pub url: Option<String>,
    /// Who opened it; `None` if the account was deleted.
    pub by: Option<String>,
    /// When it was opened.
    pub created_at: Option<DateTime<Utc>>,
}

impl IssueNews {
    /// What a payload of `issues` says; `None` for an action that says nothing of a gap, or without a number.
    pub(super) fn of(action: &str, payload: &Value) -> Option<Self> {
        if !ACTIONS.contains(&action) || payload.pointer("/issue/pull_request").is_some_and(Value::is_object)
        {
            return None;
        }
        let of = |name: &str| text(payload, &format!("/issue/{name}")).map(str::to_owned);
        let labels = payload.pointer("/issue/labels").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            action: action.to_owned(),
            number: payload.pointer("/issue/number")?.as_u64()?,
            title: of("title").unwrap_or_default(),
            body: of("body").unwrap_or_default(),
            labels: labels.filter_map(|label| Some(label.get("name")?.as_str()?.to_owned())).collect(),
            is_open: of("state").as_deref() != Some("closed"),
            url: of("html_url"),
            by: of("user/login"),
            created_at: of("created_at").and_then(|at| at.parse().ok()),
        })
    }
}
