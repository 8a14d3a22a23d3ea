//! Apps, installations, tokens, and accounts.

use serde_json::{Value, json};

use super::{APP_DATE, Links, with};
use crate::dev::github::{
    accounts::user_id,
    apps::{App, Installation},
    state::Repository,
    tokens::Minted,
};

impl Links {
    /// An account, with the fields of a public profile.
    pub(crate) fn profile(&self, login: &str) -> Value {
        let more = json!({
            "name": null, "company": null, "blog": null, "location": null, "email": null, "hireable": null,
            "bio": null, "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
            "created_at": APP_DATE, "updated_at": APP_DATE,
        });
        with(self.user(login), more)
    }

    /// The App itself, as its JWT sees it.
    pub(crate) fn own_app(&self, app: &App, installations: usize) -> Value {
        let more = json!({
            "client_id": app.client_id(), "events": app.events, "installations_count": installations,
        });
        with(self.app(&app.slug), more)
    }

    /// An installation of an App.
    pub(crate) fn installation(&self, app: &App, it: &Installation) -> Value {
        let api = format!("{}/app/installations/{}", self.base, it.id);
        let suspended = it.suspended.then(|| self.user(&it.account));
        json!({
            "id": it.id, "account": self.user(&it.account), "repository_selection": selection(it.repositories.is_some()),
            "access_tokens_url": format!("{api}/access_tokens"),
            "repositories_url": format!("{}/installation/repositories", self.base),
            "html_url": format!("{}/settings/installations/{}", self.base, it.id),
            "app_id": app.id, "client_id": app.client_id(), "app_slug": app.slug,
            "target_id": user_id(&it.account), "target_type": "Organization", "permissions": it.permissions,
            "events": app.events, "created_at": APP_DATE, "updated_at": APP_DATE,
            "single_file_name": null, "has_multiple_single_files": false, "single_file_paths": [],
            "suspended_by": suspended, "suspended_at": it.suspended.then_some(APP_DATE),
        })
    }

    /// A token that was just minted, with the repositories that were chosen for it.
    pub(crate) fn minted(&self, minted: &Minted, chosen: &[Value]) -> Value {
        let end = chrono::DateTime::from_timestamp_millis(minted.expires_at).unwrap_or_default();
        let token = json!({
            "token": minted.token, "expires_at": end.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "permissions": minted.permissions, "repository_selection": selection(minted.repositories.is_some()),
        });
        match minted.repositories {
            Some(_) => with(token, json!({"repositories": chosen})),
            None => token,
        }
    }

    /// What an installation token reaches.
    pub(crate) fn reached(&self, repositories: &[&Repository]) -> Vec<Value> {
        repositories.iter().map(|it| self.repository(it)).collect()
    }
}

const fn selection(selected: bool) -> &'static str {
    if selected { "selected" } else { "all" }
}
