//! The JSON of REST answers and webhooks, in the shapes that GitHub's OpenAPI description has.

mod actions;
mod apps;
mod checks;
mod commits;
mod deployments;
mod issues;
pub(crate) mod merges;
mod pulls;
mod repositories;
mod reviews;
mod rules;
mod webhooks;

use serde_json::{Value, json};

use super::{
    accounts::{app_id, user_id},
    state::{REACTIONS, Reaction, Repository},
};

const APP_DATE: &str = "2026-01-01T00:00:00Z";

/// Where links begin; the twin's REST routes, pages and repositories have one base.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    pub(crate) base: String,
}

impl Links {
    /// The REST address of a repository.
    pub(crate) fn api(&self, repository: &Repository) -> String {
        format!("{}/repos/{}", self.base, repository.full_name())
    }

    /// The address of a repository's page.
    pub(crate) fn page(&self, repository: &Repository) -> String {
        format!("{}/{}", self.base, repository.full_name())
    }

    fn pull_page(&self, repository: &Repository, number: i64) -> String {
        format!("{}/pull/{number}", self.page(repository))
    }

    /// A user: the bot of an app, or a person.
    pub(crate) fn user(&self, login: &str) -> Value {
        let api = format!("{}/users/{}", self.base, login.replace('[', "%5B").replace(']', "%5D"));
        let bot = login.ends_with("[bot]");
        json!({
            "login": login, "id": user_id(login), "node_id": node("U", user_id(login)),
            "avatar_url": format!("{}/avatars/{}", self.base, user_id(login)), "gravatar_id": "",
            "url": api, "html_url": format!("{}/{}", self.base, if bot { "apps/" } else { "" }.to_owned() + login.trim_end_matches("[bot]")),
            "followers_url": format!("{api}/followers"), "following_url": format!("{api}/following{{/other_user}}"),
            "gists_url": format!("{api}/gists{{/gist_id}}"), "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{api}/subscriptions"), "organizations_url": format!("{api}/orgs"),
            "repos_url": format!("{api}/repos"), "events_url": format!("{api}/events{{/privacy}}"),
            "received_events_url": format!("{api}/received_events"),
            "type": if bot { "Bot" } else { "User" }, "user_view_type": "public", "site_admin": false,
        })
    }

    /// The author of a review or a comment; null once the account is deleted.
    pub(crate) fn author(&self, it: &Repository, login: &str) -> Value {
        if it.deleted_accounts.contains(login) { Value::Null } else { self.user(login) }
    }

    /// An app: the token's, or the CI's.
    pub(crate) fn app(&self, slug: &str) -> Value {
        json!({
            "id": app_id(slug), "slug": slug, "node_id": node("A", app_id(slug)), "client_id": format!("Iv1.{slug}"),
            "owner": self.user("aspora"), "name": slug, "description": null,
            "external_url": self.base, "html_url": format!("{}/apps/{slug}", self.base),
            "created_at": APP_DATE, "updated_at": APP_DATE,
            "permissions": {"checks": "write", "contents": "write", "issues": "write", "metadata": "read", "pull_requests": "write", "statuses": "write"},
            "events": ["push", "pull_request", "pull_request_review", "check_run", "status", "issue_comment"],
        })
    }

    fn reactions(&self, url: &str) -> Value {
        self.counted_reactions(url, &[])
    }

    /// How many reactions there are of each content.
    fn counted_reactions(&self, url: &str, reactions: &[&Reaction]) -> Value {
        let mut counts = json!({"url": format!("{url}/reactions"), "total_count": reactions.len()});
        for content in REACTIONS {
            counts[content] = reactions.iter().filter(|reaction| reaction.content == content).count().into();
        }
        counts
    }
}

/// The first object with the second's fields added.
pub(crate) fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut object, more) {
        fields.extend(more);
    }
    object
}

fn association(it: &Repository, login: &str) -> &'static str {
    match it.permissions.get(login).map(String::as_str) {
        Some("admin") => "OWNER",
        Some("write") => "COLLABORATOR",
        _ if login.ends_with("[bot]") => "CONTRIBUTOR",
        _ => "NONE",
    }
}

fn node(kind: &str, id: i64) -> String {
    format!("{kind}_twin{id}")
}

fn escape(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(byte.into())
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
