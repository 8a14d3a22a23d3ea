//! Accounts on GitHub: our own, and what others are permitted to do.

use serde::Deserialize;

use super::{Error, Forge, Kind, escape, route};
use crate::core::{policy::Permission, requirement::RepoName};

/// An account. Compare by `id`, since a login can be given up and taken by another account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawAccount")]
pub struct Account {
    /// GitHub's number of the account; never reused.
    pub id: u64,
    /// Its current name.
    pub login: String,
    /// Whether GitHub says that it is a bot; a login that ends in `[bot]` proves nothing.
    pub is_bot: bool,
}

impl Forge {
    /// The account that we act as; requested once, then cached.
    ///
    /// # Errors
    /// Those of the calls; an error is not cached.
    pub async fn identity(&self) -> Result<Account, Error> {
        self.identity.get_or_try_init(|| self.request_identity()).await.cloned()
    }

    /// What an account is permitted to do in the repository; an unknown account is permitted nothing.
    ///
    /// # Errors
    /// Those of the call; [`Kind::Forbidden`] where the token may not read permissions.
    pub async fn permission(&self, repo: &RepoName, login: &str) -> Result<Permission, Error> {
        #[derive(Deserialize)]
        struct Raw {
            permission: String,
        }
        let route = route(repo, &format!("collaborators/{}/permission", escape(login)));
        let raw: Raw = match self.get(&route).await {
            Ok(raw) => raw,
            Err(error) if error.kind() == Kind::NotFound => return Ok(Permission::None),
            Err(error) => return Err(error),
        };
        Ok(match raw.permission.as_str() {
            "admin" => Permission::Admin,
            "maintain" => Permission::Maintain,
            "write" => Permission::Write,
            "triage" => Permission::Triage,
            "read" => Permission::Read,
            // A permission that we do not know permits nothing.
            _ => Permission::None,
        })
    }

    /// For a person's token `/user` is the account; an app has no user, but a bot account.
    async fn request_identity(&self) -> Result<Account, Error> {
        #[derive(Deserialize)]
        struct App {
            slug: String,
        }
        let refused = match self.get("/user").await {
            Ok(account) => return Ok(account),
            Err(error) => error,
        };
        if !matches!(refused.kind(), Kind::Unauthorized | Kind::Forbidden | Kind::NotFound) {
            return Err(refused);
        }
        // Where both are refused, the first error is the one that helps to fix a wrong token.
        let app: App = match self.get("/app").await {
            Ok(app) => app,
            Err(error) if error.is_transient() => return Err(error),
            Err(_) => return Err(refused),
        };
        self.get(&format!("/users/{}", escape(&format!("{}[bot]", app.slug)))).await
    }
}

#[derive(Deserialize)]
struct RawAccount {
    id: u64,
    login: String,
    #[serde(default, rename = "type")]
    kind: String,
}

impl From<RawAccount> for Account {
    fn from(raw: RawAccount) -> Self {
        Self { id: raw.id, is_bot: raw.kind == "Bot", login: raw.login }
    }
}
