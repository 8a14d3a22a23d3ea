//! Who we are on GitHub, who others are, and what they may do.

use serde::Deserialize;

use super::{Error, Forge, Kind, escape, route};
use crate::core::{policy::Permission, requirement::RepoName};

/// An account: compare by `id`, since a login can be given up and taken by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawAccount")]
pub struct Account {
    /// GitHub's number for the account; never reused.
    pub id: u64,
    /// Its name at the moment.
    pub login: String,
    /// GitHub says that it is a bot; a login that ends in `[bot]` proves nothing.
    pub is_bot: bool,
}

impl Forge {
    /// The account that we act as; asked once, then remembered.
    ///
    /// # Errors
    /// Those of the calls; an error is not remembered.
    pub async fn identity(&self) -> Result<Account, Error> {
        self.identity.get_or_try_init(|| self.ask_identity()).await.cloned()
    }

    /// What an account may do with the repository; somebody unknown may do nothing.
    ///
    /// # Errors
    /// Those of the call, also [`Kind::Forbidden`] where the token may not ask.
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

    /// A token of a person is told by `/user`; an app has none, but its bot account does.
    async fn ask_identity(&self) -> Result<Account, Error> {
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
        // The first refusal is the one that a wrong token's owner can do something with.
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
