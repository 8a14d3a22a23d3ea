//! Apps, their installations, and all tokens: who may do what. Part of the saved state.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::permissions::{Level, Permissions};

/// Who may do what in the twin.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Registry {
    /// By id.
    pub(crate) apps: BTreeMap<i64, App>,
    /// By id.
    pub(crate) installations: BTreeMap<i64, Installation>,
    /// By the digest of the token; the tokens themselves are not kept.
    pub(crate) tokens: BTreeMap<String, Token>,
}

/// A registered App.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) id: i64,
    pub(crate) slug: String,
    /// The App's public keys, newest last, each as the hex of its DER.
    pub(crate) keys: Vec<String>,
    /// The names of the events that its webhook gets.
    #[serde(default)]
    pub(crate) events: BTreeSet<String>,
}

impl App {
    pub(crate) fn client_id(&self) -> String {
        format!("Iv1.{}", self.slug)
    }
}

/// An App on an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Installation {
    pub(crate) id: i64,
    pub(crate) app: i64,
    /// The login of the owner of the repositories.
    pub(crate) account: String,
    /// The ids of the chosen repositories; `None` means all of the account.
    pub(crate) repositories: Option<BTreeSet<i64>>,
    pub(crate) permissions: Permissions,
    pub(crate) suspended: bool,
}

impl Installation {
    pub(crate) fn covers(&self, owner: &str, repository: i64) -> bool {
        self.account == owner && self.repositories.as_ref().is_none_or(|chosen| chosen.contains(&repository))
    }
}

/// A token and what it may do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) holder: Holder,
    /// Milliseconds since 1970.
    pub(crate) issued_at: i64,
    /// Milliseconds since 1970; `None` for a token without an end.
    pub(crate) expires_at: Option<i64>,
}

/// Whom a token makes its bearer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Holder {
    /// An installation, narrowed to some of its repositories and permissions.
    Installation { id: i64, repositories: Option<BTreeSet<i64>>, permissions: Permissions },
    /// A job of GitHub Actions in one repository.
    Actions { repository: i64, permissions: Permissions },
    /// A person's fine-grained token.
    FineGrained { login: String, repositories: BTreeSet<i64>, permissions: Permissions },
    /// A person's classic token.
    Classic { login: String, scopes: BTreeSet<String> },
}

impl Registry {
    pub(crate) fn app_with_slug(&self, slug: &str) -> Option<&App> {
        self.apps.values().find(|app| app.slug == slug)
    }

    /// Remembers a token, and forgets those that ended before `now`.
    pub(crate) fn remember(&mut self, token: &str, now: i64, is: Token) {
        self.tokens.retain(|_, old| old.expires_at.is_none_or(|end| end > now));
        self.tokens.insert(digest(token), is);
    }

    pub(crate) fn token(&self, token: &str) -> Option<&Token> {
        self.tokens.get(&digest(token))
    }
}

/// Under what a token is kept.
pub(crate) fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Whether `given` holds `level` of a permission. Every installation and fine-grained token may read metadata.
pub(crate) fn holds(given: &Permissions, permission: &str, level: Level) -> bool {
    (permission == "metadata" && level == Level::Read)
        || given.get(permission).is_some_and(|given| *given >= level)
}
