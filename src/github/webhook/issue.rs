//! News of an issue.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::fields::text;

/// What happens to an issue that says something of a harness gap. docs.github.com "Webhook events and payloads", `issues`.
const ACTIONS: [&str; 8] =
    ["opened", "labeled", "closed", "reopened", "deleted", "transferred", "unlabeled", "edited"];

/// What GitHub says of authors who belong to the repository. docs.github.com, GraphQL `CommentAuthorAssociation`.
const MEMBERS: [&str; 3] = ["OWNER", "MEMBER", "COLLABORATOR"];

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
    /// Whether one who belongs to the repository did this: a form gives an issue its label also for an outsider.
    pub is_by_member: bool,
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
            is_by_member: is_by_member(payload),
            by: of("user/login"),
            created_at: of("created_at").and_then(|at| at.parse().ok()),
        })
    }
}

/// Of another than its author only a person with the permission to triage can label or reopen an issue.
fn is_by_member(payload: &Value) -> bool {
    let (sender, author) = (text(payload, "/sender/login"), text(payload, "/issue/user/login"));
    let association = text(payload, "/issue/author_association").unwrap_or_default();
    (sender.is_some() && sender != author) || MEMBERS.contains(&association)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_form_labels_for_an_outsider_is_by_no_member() {
        for (sender, association, expected) in [
            ("eve", "NONE", false),
            ("eve", "CONTRIBUTOR", false),
            ("eve", "COLLABORATOR", true),
            ("asha", "NONE", true),
        ] {
            let payload = json!({
                "sender": {"login": sender},
                "issue": {"number": 7, "user": {"login": "eve"}, "author_association": association, "labels": [{"name": "harness-gap"}]},
            });
            let news = IssueNews::of("labeled", &payload).unwrap();
            assert_eq!(
                (news.is_by_member, &news.labels[..]),
                (expected, &["harness-gap".to_owned()][..]),
                "{sender} {association}"
            );
        }
    }

    #[test]
    fn a_pull_request_is_no_issue() {
        let payload = json!({"issue": {"number": 7, "pull_request": {}}});
        assert_eq!(IssueNews::of("opened", &payload), None);
    }
}
