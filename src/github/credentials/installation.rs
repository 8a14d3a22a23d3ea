//! Installations of an App: found by repository, and the tokens that they mint.

use chrono::{DateTime, Utc};
use http::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{authorize::Scope, key::AppKey, tokens::Minted};
use crate::{
    core::requirement::RepoName,
    github::{
        Error, Forge, Kind,
        call::{Answer, Outgoing},
        headers::clock,
        permissions::{Level, Permissions, to_mint},
        throttle::Minting,
    },
};

/// Where an App is installed, as GitHub answers it.
#[derive(Debug, Deserialize)]
struct Installation {
    id: u64,
    #[serde(default)]
    permissions: Permissions,
    #[serde(default)]
    suspended_at: Option<DateTime<Utc>>,
    #[serde(default)]
    html_url: String,
}

/// The body of the call that mints.
#[derive(Default, Serialize)]
struct Grant<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    repositories: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository_ids: Option<[u64; 1]>,
    permissions: std::collections::BTreeMap<&'static str, Level>,
}

#[derive(Deserialize)]
struct Token {
    token: SecretString,
    expires_at: DateTime<Utc>,
    #[serde(default)]
    permissions: Permissions,
}

impl Forge {
    /// The token for a scope, minted if there is none that lasts. Callers who come meanwhile wait for the same.
    pub(in crate::github) async fn minted(&self, app: &AppKey, scope: &Scope) -> Result<Minted, Error> {
        let slot = self.credentials.tokens.slot(&scope.slot());
        let mut slot = slot.lock().await;
        if let Some(minted) = Minted::fresh(&slot) {
            return Ok(minted);
        }
        let minted = self.mint_unless_down(app, scope).await?;
        *slot = Some(minted.clone());
        Ok(minted)
    }

    /// Mints, unless minting is down. It has a breaker of its own: the forge answers other calls while it mints no
    /// tokens, the one before included, and those answers say nothing of the minting.
    async fn mint_unless_down(&self, app: &AppKey, scope: &Scope) -> Result<Minted, Error> {
        let Some(throttle) = &self.throttle else { return self.mint_in(app, scope).await };
        let pass = throttle.pass_minting().await.map_err(|held| Error::held("minting a token", held))?;
        let minted = self.mint_in(app, scope).await;
        let is_of_forge = |error: &Error| error.outage().is_some_and(|outage| outage.since.is_some());
        let ended = match &minted {
            Err(error) if matches!(error.kind(), Kind::Held | Kind::RateLimited) => Minting::Held,
            // An outage of the whole forge is waited out as that alone.
            Err(error) if is_of_forge(error) => Minting::Held,
            Err(error) if error.kind().is_outage() => Minting::Failed(error.to_string()),
            _ => Minting::Answered,
        };
        match (throttle.ended_minting(pass, ended).await, minted) {
            (Some(outage), Err(error)) => Err(error.part_of(Some(outage))),
            (_, minted) => minted,
        }
    }

    async fn mint_in(&self, app: &AppKey, scope: &Scope) -> Result<Minted, Error> {
        match scope {
            Scope::Repository(repo) => {
                // What an older token was refused, this one may have been granted.
                self.refusals.forget(repo);
                self.mint_for(app, repo).await
            }
            Scope::App | Scope::Elsewhere => self.mint_for_none(app).await,
        }
    }

    /// Mints for one repository. Its installation is asked for each time, since its permissions may have changed.
    async fn mint_for(&self, app: &AppKey, repo: &RepoName) -> Result<Minted, Error> {
        let answer = match self.app_call(app, Method::GET, &format!("/repos/{repo}/installation"), None).await
        {
            Ok(answer) => answer,
            Err(error) if error.kind() == Kind::NotFound => {
                return Err(self.not_installed(app, repo, error).await);
            }
            Err(error) => return Err(error),
        };
        // A renamed repository is not known by its old name here.
        let id = self.names.id_of(repo);
        let installation: Installation = answer.json()?;
        let grant = Grant {
            repositories: Some([repo.name()]).filter(|_| id.is_none()),
            repository_ids: id.map(|id| [id]),
            permissions: to_mint(&installation.permissions),
        };
        self.mint(app, &installation, &grant).await
    }

    /// Mints for what is public: accounts. Any installation does.
    async fn mint_for_none(&self, app: &AppKey) -> Result<Minted, Error> {
        let route = "/app/installations?per_page=1";
        let answer = self.app_call(app, Method::GET, route, None).await?;
        let installations: Vec<Installation> = answer.json()?;
        let Some(installation) = installations.first() else {
            let slug = self.app_slug(app).await.unwrap_or_default();
            let why = format!("the GitHub App is installed nowhere; {}", self.where_to_install(&slug));
            return Err(Error::denied(format!("GET {route}"), &why));
        };
        let permissions = [("metadata", Level::Read)].into();
        self.mint(app, installation, &Grant { permissions, ..Grant::default() }).await
    }

    async fn mint(
        &self,
        app: &AppKey,
        installation: &Installation,
        grant: &Grant<'_>,
    ) -> Result<Minted, Error> {
        let route = format!("/app/installations/{}/access_tokens", installation.id);
        if installation.suspended_at.is_some() {
            let at = &installation.html_url;
            let why = format!("the installation of the GitHub App is suspended; unsuspend it at {at}");
            return Err(Error::denied(format!("POST {route}"), &why));
        }
        let answer = self.app_call(app, Method::POST, &route, Some(grant)).await?;
        let now = clock(&answer.headers).unwrap_or_else(Utc::now);
        let minted: Token = answer.json()?;
        let lives = (minted.expires_at - now).to_std().unwrap_or_default();
        Ok(Minted::new(minted.token, installation.id, lives, minted.permissions))
    }

    async fn app_call(
        &self,
        app: &AppKey,
        method: Method,
        route: &str,
        body: Option<&Grant<'_>>,
    ) -> Result<Answer, Error> {
        let call = format!("{method} {route}");
        self.as_app(app, &Outgoing { method: &method, route, body, also: &[], call: &call }).await
    }

    async fn not_installed(&self, app: &AppKey, repo: &RepoName, error: Error) -> Error {
        let slug = self.app_slug(app).await.unwrap_or_default();
        let why = format!(
            "the GitHub App is not installed on {repo}; {}, or there is no such repository",
            self.where_to_install(&slug)
        );
        error.forbidden(&why)
    }

    fn where_to_install(&self, slug: &str) -> String {
        match self.config.web_url() {
            Some(base) if !slug.is_empty() => format!("install it at {base}/apps/{slug}/installations/new"),
            _ => "install it in the settings of the account that owns the repository".to_owned(),
        }
    }

    /// The App's name in addresses.
    pub(in crate::github) async fn app_slug(&self, app: &AppKey) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct App {
            slug: String,
        }
        let app: App = self.app_call(app, Method::GET, "/app", None).await?.json()?;
        Ok(app.slug)
    }
}
