//! An issue, and the pull requests that close it: `Issue.closedByPullRequestsReferences` of @octokit/graphql-schema.

use serde_json::{Value, json};

use super::{parse::Field, select::argument};
use crate::dev::github::{issues::closed_by, state::Repository};

/// The whole of an issue. Without `includeClosedPrs` the pull requests that are over are left out, merged ones too: what
/// GitHub does with those is not documented.
pub(super) fn issue(it: &Repository, number: i64, asked: &Field) -> Option<Value> {
    let issue = it.issues.iter().find(|issue| issue.number == number)?;
    let of_pulls = asked.fields.iter().find(|inner| inner.name == "closedByPullRequestsReferences");
    let all = of_pulls.and_then(|field| argument(field, "includeClosedPrs", &serde_json::Map::new()));
    let is_shown = |open: bool| open || all == Some(json!(true));
    let closing = it.pulls.iter().filter(|pull| {
        is_shown(pull.open) && closed_by(pull.body.as_deref().unwrap_or_default()).contains(&number)
    });
    let pulls: Vec<Value> = closing
        .map(|pull| json!({"__typename": "PullRequest", "number": pull.number, "merged": pull.merge.is_some()}))
        .collect();
    Some(json!({
        "__typename": "Issue", "number": number, "title": issue.title,
        "state": if issue.closed_at.is_none() { "OPEN" } else { "CLOSED" },
        "closedByPullRequestsReferences": pulls,
    }))
}
