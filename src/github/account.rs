//! Accounts on GitHub: our own, and what others are permitted to do.

use futures::{FutureExt as _, future::BoxFuture};
use http::Method;
use serde::Deserialize;

use super::{Credential, CredentialKind, Error, Forge, Kind, escape, route};
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
        self.credentials.account.get_or_try_init(|| self.request_identity()).await.cloned()
    }

    /// The account with this login now; `None` if there is none.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn account(&self, login: &str) -> Result<Option<Account>, Error> {
        match self.get(&format!("/users/{}", escape(login))).await {
            Ok(account) => Ok(Some(account)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What an account is permitted to do in the repository; an unknown account is permitted nothing. With a number, only
    /// if the login is still that account's.
    ///
    /// # Errors
    /// Those of the call; [`Kind::Forbidden`] where the token may not read permissions.
    pub async fn permission_of(
        &self,
        repo: &RepoName,
        login: &str,
        number: Option<u64>,
    ) -> Result<Permission, Error> {
        #[derive(Deserialize)]
        struct Raw {
            permission: String,
            user: Option<RawAccount>,
        }
        let route = route(repo, &format!("collaborators/{}/permission", escape(login)));
        let raw: Raw = match self.get(&route).await {
            Ok(raw) => raw,
            Err(error) if error.kind() == Kind::NotFound => return Ok(Permission::None),
            Err(error) => return Err(error),
        };
        let is_other = number.is_some_and(|number| raw.user.is_none_or(|user| user.id != number));
        Ok(if is_other { Permission::None } else { level(&raw.permission) })
    }

    /// What an account is permitted to do in the repository, asked by its login and compared by its number: a login can
    /// go to another account. A bot is permitted nothing.
    ///
    /// # Errors
    /// As [`Self::permission_of`].
    pub async fn permission_of_account(
        &self,
        repo: &RepoName,
        account: &Account,
    ) -> Result<Permission, Error> {
        match account.is_bot {
            true => Ok(Permission::None),
            false => self.permission_of(repo, &account.login, Some(account.id)).await,
        }
    }

    /// For a person's token `/user` is the account. An app has no user, but a bot account, whose number is not
    /// the App's; its installation token learns it by GraphQL.
    fn request_identity(&self) -> BoxFuture<'_, Result<Account, Error>> {
        // Boxed, since every call may ask for the account that its limit is counted by.
        async move {
            if let Credential::App(app) = &self.credentials.credential {
                let bot = format!("{}[bot]", self.app_slug(app).await?);
                return self.get(&format!("/users/{}", escape(&bot))).await;
            }
            if self.credentials.credential.kind() == CredentialKind::Installation {
                return self.viewer().await;
            }
            match self.as_itself(&Method::GET, "/user", None::<&()>).await {
                Ok(answer) => answer.json(),
                // Of a form that we do not know, but an app's.
                Err(error) if error.kind() == Kind::Forbidden => self.viewer().await.map_err(|_| error),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }
}

/// What GitHub's word permits; one that we do not know permits nothing.
fn level(word: &str) -> Permission {
    match word {
        "admin" => Permission::Admin,
        "maintain" => Permission::Maintain,
        "write" => Permission::Write,
        "triage" => Permission::Triage,
        "read" => Permission::Read,
        _ => Permission::None,
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
