//! The private key of a GitHub App, and the JWTs that it signs.

use std::{fmt, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

/// How far back a JWT is dated, in case our clock is ahead: docs.github.com "Generating a JSON Web Token (JWT)
/// for a GitHub App" recommends 60 seconds.
const BACKDATED: TimeDelta = TimeDelta::seconds(60);
/// How long a JWT is valid. GitHub refuses more than 10 minutes.
const LIFE: TimeDelta = TimeDelta::seconds(540);

/// A GitHub App: who it is, and the key that proves it.
#[derive(Clone)]
pub struct AppKey {
    /// The App's id or client id; GitHub takes either.
    issuer: String,
    key: Arc<EncodingKey>,
}

/// Why the settings of a GitHub App cannot be used. It never quotes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadApp {
    /// Not the form of an id.
    #[error("the App's id must be its number, such as 123456, or its client id, such as Iv23liAbCdEf")]
    Id,
    /// Not a key in PEM.
    #[error(
        "the App's private key is not an RSA key in PEM; expected the whole file that GitHub offered for download, \
         from `-----BEGIN RSA PRIVATE KEY-----` (or `BEGIN PRIVATE KEY`) to its END line, with line breaks or with `\\n`"
    )]
    Key,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
    exp: i64,
}

impl AppKey {
    /// Reads the key, PKCS#1 or PKCS#8, and signs once with it, so that a wrong one is found here.
    ///
    /// # Errors
    /// [`BadApp`] says which of the two is wrong.
    pub fn new(id: &str, pem: &SecretString) -> Result<Self, BadApp> {
        let is_id = !id.is_empty()
            && id.len() <= 100
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if !is_id {
            return Err(BadApp::Id);
        }
        // A variable often holds the file on one line.
        let pem = SecretString::from(pem.expose_secret().trim().replace("\\n", "\n"));
        let key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).map_err(|_| BadApp::Key)?;
        let app = Self { issuer: id.to_owned(), key: Arc::new(key) };
        app.sign(Utc::now()).ok_or(BadApp::Key)?;
        Ok(app)
    }

    /// The App's id or client id.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// A JWT that is valid from a minute before this moment for ten minutes; `None` if the key cannot sign.
    pub(crate) fn sign(&self, now: DateTime<Utc>) -> Option<SecretString> {
        let claims =
            Claims { iss: &self.issuer, iat: (now - BACKDATED).timestamp(), exp: (now + LIFE).timestamp() };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key).ok().map(SecretString::from)
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppKey").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
