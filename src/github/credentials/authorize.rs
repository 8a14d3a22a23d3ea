//! Chooses what a call authenticates with, and what to do when GitHub refuses it.

use std::{sync::Arc, time::Duration};

use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Authorization, Credential, key::AppKey};
use crate::{
    core::requirement::RepoName,
    github::{
        Error, Forge, Kind,
        abilities::ACTIONS,
        call::{Answer, Outgoing},
    },
};

/// How long to wait before a call is sent again with a young token.
const PAUSE: Duration = Duration::from_millis(250);

/// What a call is about, which decides the credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::github) enum Scope {
    /// The App itself.
    App,
    /// One repository.
    Repository(RepoName),
    /// Neither, such as an account.
    Elsewhere,
}

impl Scope {
    pub(in crate::github) fn of(route: &str) -> Self {
        let path = route.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').skip(1).take(4).collect();
        match parts.as_slice() {
            ["app", ..] | ["repos", _, _, "installation"] => Self::App,
            _ => repository_of(path).map_or(Self::Elsewhere, Self::Repository),
        }
    }

    /// The slot of its token.
    pub(super) fn slot(&self) -> String {
        match self {
            Self::Repository(repo) => repo.to_string(),
            Self::App | Self::Elsewhere => String::new(),
        }
    }
}

/// The repository that a route is about.
pub(in crate::github) fn repository_of(route: &str) -> Option<RepoName> {
    let path = route.split('?').next().unwrap_or_default();
    let mut parts = path.strip_prefix("/repos/")?.split('/');
    format!("{}/{}", parts.next()?, parts.next()?).parse().ok()
}

impl Forge {
    /// Sends a call with the credential for its scope. A 401 means that nothing was done: a token that was just
    /// minted is waited with, an older one is minted anew once, and the call is sent again.
    pub(in crate::github) async fn authorized<B>(
        &self,
        outgoing: &Outgoing<'_, B>,
        scope: &Scope,
    ) -> Result<Answer, Error>
    where
        B: Serialize + ?Sized,
    {
        if let (Credential::App(app), Scope::App) = (&self.credentials.credential, scope) {
            return self.as_app(app, outgoing).await;
        }
        let mut is_renewed = false;
        loop {
            let authorization = Box::pin(self.authorization(scope)).await?;
            let refused = match self.send(outgoing, &authorization).await {
                Err(error) if error.kind() == Kind::Unauthorized => error,
                sent => return sent,
            };
            let Some(minted) = authorization.minted else { return Err(refused) };
            if minted.elapsed() < self.config.timeouts.young {
                tokio::time::sleep(PAUSE).await;
            } else if is_renewed {
                return Err(refused);
            } else {
                is_renewed = true;
                self.credentials.tokens.drop_refused(&scope.slot(), &authorization).await;
            }
        }
    }

    /// A token for this scope that lasts for a while.
    pub(in crate::github) async fn token(&self, scope: &Scope) -> Result<SecretString, Error> {
        match &self.credentials.credential {
            Credential::App(app) => Ok(self.minted(app, scope).await?.token),
            Credential::Token(token) => Ok(token.clone()),
        }
    }

    /// What a call of this scope is sent with; a token is minted if there is none that lasts.
    async fn authorization(&self, scope: &Scope) -> Result<Authorization, Error> {
        match &self.credentials.credential {
            Credential::App(app) => Ok(self.minted(app, scope).await?.into()),
            Credential::Token(token) => {
                // What the limit counts by is asked for only where a limit is kept.
                let account = match &self.throttle {
                    Some(_) => self.account_key(scope).await?,
                    None => Arc::from(""),
                };
                let formerly = Some(digest_key(token));
                Ok(Authorization { token: token.clone(), account, formerly, minted: None })
            }
        }
    }

    /// Sends a call as the App itself. If GitHub refuses the times in the JWT, our clock is wrong: it is set by
    /// GitHub's, once.
    pub(super) async fn as_app<B>(&self, app: &AppKey, outgoing: &Outgoing<'_, B>) -> Result<Answer, Error>
    where
        B: Serialize + ?Sized,
    {
        let refused = match self.send(outgoing, &self.jwt(app, outgoing.call)?).await {
            Err(error) if error.kind() == Kind::Unauthorized => error,
            sent => return sent,
        };
        match refused.server_time() {
            Some(theirs) if self.credentials.adjust(theirs) => {
                tracing::warn!("GitHub refused a JWT, and its clock is {theirs}: JWTs are dated by it now");
                self.send(outgoing, &self.jwt(app, outgoing.call)?).await
            }
            Some(_) | None => Err(refused.explained(
                "GitHub does not accept the App's key: is GITHUB_APP_PRIVATE_KEY one of the keys of the App \
                 GITHUB_APP_ID, and this machine's clock right?",
            )),
        }
    }

    fn jwt(&self, app: &AppKey, call: &str) -> Result<Authorization, Error> {
        let unsigned = || Error::unsent(call, "the App's private key cannot sign");
        Ok(Authorization {
            token: app.sign(self.credentials.now()).ok_or_else(unsigned)?,
            account: format!("app/{}", app.issuer()).into(),
            formerly: None,
            minted: None,
        })
    }

    /// What the rate limit of a token counts by: its account. GitHub counts the token of GitHub Actions by
    /// repository, docs.github.com "Rate limits for the REST API".
    async fn account_key(&self, scope: &Scope) -> Result<Arc<str>, Error> {
        let account = self.identity().await?;
        Ok(match scope {
            Scope::Repository(repo) if account.login == ACTIONS => {
                format!("account/{}/{repo}", account.id).to_ascii_lowercase().into()
            }
            _ => format!("account/{}", account.id).into(),
        })
    }

    /// The account of a token, asked for with the token itself.
    pub(in crate::github) async fn as_itself<B>(
        &self,
        method: &Method,
        route: &str,
        body: Option<&B>,
    ) -> Result<Answer, Error>
    where
        B: Serialize + ?Sized,
    {
        let call = format!("{method} {route}");
        let outgoing = Outgoing { method, route, body, also: &[], call: &call };
        let Credential::Token(token) = &self.credentials.credential else {
            return self.authorized(&outgoing, &Scope::of(route)).await;
        };
        let account = digest_key(token);
        let authorization = Authorization { token: token.clone(), account, formerly: None, minted: None };
        self.send(&outgoing, &authorization).await
    }
}

/// What the limit of a token is named by until its account is known.
fn digest_key(token: &SecretString) -> Arc<str> {
    let digest = hex::encode(&Sha256::digest(token.expose_secret())[..6]);
    format!("token/{digest}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_names_its_scope() {
        let check = |route, expected: Scope| assert_eq!(Scope::of(route), expected, "{route}");
        let repo = || Scope::Repository("acme/w".parse().unwrap());
        check("/app", Scope::App);
        check("/app/hook/deliveries?per_page=1", Scope::App);
        check("/repos/acme/w/installation", Scope::App);
        check("/repos/acme/w", repo());
        check("/repos/acme/w?x=1", repo());
        check("/repos/acme/w/pulls/7/installation", repo());
        check("/users/acme", Scope::Elsewhere);
        check("/graphql", Scope::Elsewhere);
    }
}
