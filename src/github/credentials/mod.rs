//! What our calls authenticate with. Nothing outside of this room knows which kind of credential is in use.

mod authorize;
mod installation;
mod key;
mod kind;
mod tokens;

use std::{fmt, sync::Arc, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::OnceCell;

pub(super) use self::{
    authorize::{Scope, repository_of},
    tokens::Tokens,
};
pub use self::{
    key::{AppKey, BadApp},
    kind::CredentialKind,
};
use super::{Account, BadConfig};

/// Who we are at GitHub.
#[derive(Clone)]
pub enum Credential {
    /// A GitHub App: a token is minted for each repository, and minted anew before it ends.
    App(AppKey),
    /// A token that a person, or GitHub Actions, gave us.
    Token(SecretString),
}

/// The credential of a client, with what was learned about it.
pub(super) struct Credentials {
    pub(super) credential: Credential,
    /// Whose token it is; the App's bot account.
    pub(super) account: OnceCell<Account>,
    pub(super) tokens: Tokens,
    /// How far the clock of GitHub is ahead of ours, in seconds; learned when a JWT is refused for its times.
    skew: std::sync::atomic::AtomicI64,
}

/// What one request is sent with.
#[derive(Clone)]
pub(super) struct Authorization {
    pub(super) token: SecretString,
    /// What the rate limit counts by, such as `installation/7`.
    pub(super) account: Arc<str>,
    /// What it counted by before its account was known; a penalty closes that too, so that a process that starts
    /// meanwhile does not ask for the account.
    pub(super) formerly: Option<Arc<str>>,
    /// When we minted it; `None` for a token that we cannot mint anew.
    pub(super) minted: Option<Instant>,
}

impl Credential {
    /// Its kind; a token's by its form.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::App(_) => CredentialKind::App,
            Self::Token(token) => CredentialKind::of(token.expose_secret()),
        }
    }

    pub(super) fn check(&self) -> Result<(), BadConfig> {
        let Self::Token(token) = self else { return Ok(()) };
        let token = token.expose_secret();
        let is_plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if is_plain { Ok(()) } else { Err(BadConfig::Token) }
    }
}

impl Credentials {
    pub(super) fn new(credential: Credential) -> Self {
        Self {
            credential,
            account: OnceCell::new(),
            tokens: Tokens::default(),
            skew: std::sync::atomic::AtomicI64::new(0),
        }
    }

    /// The time at GitHub, as far as we know.
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::seconds(self.skew.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// Sets our clock by that of an answer; whether that changes anything.
    fn adjust(&self, theirs: DateTime<Utc>) -> bool {
        let skew = (theirs - Utc::now()).num_seconds();
        let before = self.skew.swap(skew, std::sync::atomic::Ordering::Relaxed);
        (skew - before).abs() > 1
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(app) => app.fmt(f),
            Self::Token(_) => f.write_str("Token(..)"),
        }
    }
}

impl From<SecretString> for Credential {
    fn from(token: SecretString) -> Self {
        Self::Token(token)
    }
}
