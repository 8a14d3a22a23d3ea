//! The identity provider as its client: where its endpoints are, and redeeming a code for who has signed in (OpenID
//! Connect Core 1.0, authorization code with PKCE). Nothing of it is trusted before it is checked.

mod keys;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use reqwest::{RequestBuilder, StatusCode, redirect::Policy};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use url::Url;

use self::keys::Keys;
use crate::core::access::{Expected, Role, Unfit, identity};

/// Where the provider describes itself: OpenID Connect Discovery 1.0, 4.
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// How long the description counts.
const DESCRIBED_FOR: Duration = Duration::from_secs(3600);
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer of the provider, in bytes.
const LARGEST: usize = 1 << 20;
/// The most characters that are shown of what the provider says.
const SHOWN: usize = 200;

/// How we are registered at the provider.
#[derive(Debug, Clone)]
pub struct Config {
    /// The issuer, exactly as its tokens name it.
    pub issuer: String,
    /// Our id there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: SecretString,
    /// The claim that names the person. `email` counts only if the provider has verified it.
    pub claim: String,
    /// The role of people who are linked to no key; without one they are refused.
    pub default_role: Option<Role>,
}

/// The provider.
#[derive(Debug)]
pub struct Provider {
    config: Config,
    client: reqwest::Client,
    /// The description, and when it was read.
    described: Mutex<Option<(Metadata, Instant)>>,
    keys: Keys,
}

/// What the provider says of itself.
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What a sign-in sent to the provider, and where it wants to come back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) redirect_uri: &'a str,
    pub(crate) nonce: &'a str,
    /// The verifier of PKCE; the provider gets its digest first, and the verifier with the code.
    pub(crate) verifier: &'a str,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The provider does not answer.
    #[error("the identity provider does not answer: {0}. Sign in with a key, or try again later")]
    Down(String),
    /// It and our settings do not fit together.
    #[error("sign-in is not set up correctly: {0}. An admin checks ASPORA_OIDC_* and the provider")]
    Setup(String),
    /// It refuses this sign-in.
    #[error("the identity provider refused: {0}. Sign in again")]
    Refused(String),
    /// Its token cannot be trusted, or is not about a person here.
    #[error("this sign-in was refused: {0}")]
    Token(String),
}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        Self::Token(unfit.to_string())
    }
}

#[derive(Deserialize)]
struct Redeemed {
    id_token: Option<String>,
}

/// RFC 6749, 5.2.
#[derive(Deserialize, Default)]
struct Denied {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Provider {
    /// The provider of a configuration; nothing is sent yet.
    ///
    /// # Errors
    /// When the issuer is no HTTPS address (plain HTTP only on this machine), or no client can be made.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        anyhow::ensure!(
            is_protected(&config.issuer) && !config.issuer.contains(['?', '#']),
            "the issuer must be an https:// URL without a query, such as https://accounts.google.com"
        );
        // A redirect could lead to an address that nobody configured.
        let client = reqwest::Client::builder().redirect(Policy::none()).timeout(TIMEOUT).build()?;
        Ok(Self { config, client, described: Mutex::default(), keys: Keys::default() })
    }

    /// The name of the provider's host, for people.
    pub(crate) fn host(&self) -> String {
        let host = Url::parse(&self.config.issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.unwrap_or_else(|| self.config.issuer.clone())
    }

    /// The role of people who are linked to no key.
    pub(crate) const fn default_role(&self) -> Option<Role> {
        self.config.default_role
    }

    /// Where to send a browser that signs in.
    pub(crate) async fn address(&self, state: &str, sent: Sent<'_>) -> Result<String, Error> {
        let metadata = self.metadata().await?;
        let mut url = Url::parse(&metadata.authorization_endpoint)
            .map_err(|_| Error::Setup("its authorization endpoint is no address".to_owned()))?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(sent.verifier));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", sent.redirect_uri)
            .append_pair("scope", "openid email profile")
            .append_pair("state", state)
            .append_pair("nonce", sent.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Checks that an answer is of this provider and not of another that the browser was sent to (RFC 9207).
    pub(crate) async fn check_issuer(&self, issuer: Option<&str>) -> Result<(), Error> {
        let is_missing =
            issuer.is_none() && self.metadata().await?.authorization_response_iss_parameter_supported;
        if is_missing || issuer.is_some_and(|issuer| issuer != self.config.issuer) {
            return Err(Unfit::Issuer.into());
        }
        Ok(())
    }

    /// Redeems a code; who has signed in, as the configured claim names them. `now` is the database's time.
    pub(crate) async fn redeem(
        &self,
        code: &str,
        sent: Sent<'_>,
        now: DateTime<Utc>,
    ) -> Result<String, Error> {
        let metadata = self.metadata().await?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", sent.redirect_uri),
            ("code_verifier", sent.verifier),
        ];
        let (id, secret) = (self.config.client_id.as_str(), self.config.client_secret.expose_secret());
        // Basic is the default: OpenID Connect Discovery 1.0, 3.
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
        let posts = methods.is_some_and(|all| !all.iter().any(|method| method == "client_secret_basic"));
        let mut request = self.client.post(&metadata.token_endpoint);
        if posts {
            form.extend([("client_id", id), ("client_secret", secret)]);
        } else {
            // RFC 6749, 2.3.1: both are encoded as in a form first.
            let encoded =
                |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            request = request.basic_auth(encoded(id), Some(encoded(secret)));
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let redeemed: Redeemed = answer(request).await?;
        let token =
            redeemed.id_token.ok_or_else(|| Error::Token("the provider gave no ID token".to_owned()))?;
        let claims = self.keys.verify(&self.client, &metadata.jwks_uri, &token).await?;
        let expected = Expected {
            issuer: &self.config.issuer,
            client: &self.config.client_id,
            nonce: sent.nonce,
            claim: &self.config.claim,
        };
        Ok(identity(&claims, expected, now)?)
    }

    async fn metadata(&self) -> Result<Metadata, Error> {
        let known = self.described.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((metadata, _)) = known.filter(|(_, at)| at.elapsed() < DESCRIBED_FOR) {
            return Ok(metadata);
        }
        let address = format!("{}{DISCOVERY}", self.config.issuer.trim_end_matches('/'));
        let metadata: Metadata = answer(self.client.get(address)).await?;
        if metadata.issuer != self.config.issuer {
            let named = shown(&metadata.issuer);
            return Err(Error::Setup(format!(
                "the provider calls itself {named}, ASPORA_OIDC_ISSUER does not"
            )));
        }
        let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        if let Some(open) = endpoints.into_iter().find(|endpoint| !is_protected(endpoint)) {
            return Err(Error::Setup(format!("the provider's endpoint {} is not https://", shown(open))));
        }
        let mut described = self.described.lock().unwrap_or_else(PoisonError::into_inner);
        *described = Some((metadata.clone(), Instant::now()));
        Ok(metadata)
    }
}

/// Sends a request, and reads the JSON of its answer.
async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Error> {
    let down = |error: reqwest::Error| Error::Down(error.without_url().to_string());
    let mut response = request.header("accept", "application/json").send().await.map_err(down)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(down)? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST {
            return Err(Error::Setup("an answer of the provider is larger than 1 MiB".to_owned()));
        }
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(Error::Down(status.to_string()));
    }
    if !status.is_success() {
        let denied: Denied = serde_json::from_slice(&body).unwrap_or_default();
        let said = match (denied.error.as_str(), denied.error_description.as_str()) {
            ("", _) => status.to_string(),
            (error, "") => shown(error),
            (error, description) => format!("{}: {}", shown(error), shown(description)),
        };
        return Err(match denied.error.as_str() {
            "invalid_grant" => Error::Refused(said),
            _ => Error::Setup(format!("the provider answered {said}")),
        });
    }
    serde_json::from_slice(&body).map_err(|error| Error::Setup(format!("an answer of the provider: {error}")))
}

/// What a stranger says, short and without what a terminal or a browser would act on.
pub(crate) fn shown(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_graphic() || *c == ' ' || (c.is_alphanumeric() && !c.is_ascii());
    text.chars().filter(plain).take(SHOWN).collect()
}

/// Whether an address is protected on its way; on this machine every one is.
fn is_protected(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(url::Host::Domain(name))) => name == "localhost",
        ("http", Some(url::Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(url::Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_protected_by_tls_or_by_staying_here() {
        let check = |address: &str, fits| assert_eq!(is_protected(address), fits, "{address}");
        check("https://accounts.example", true);
        check("http://127.0.0.1:9/x", true);
        check("http://[::1]:9", true);
        check("http://localhost:9", true);
        check("http://accounts.example", false);
        check("http://127.0.0.1.evil.example", false);
        check("file:///etc/passwd", false);
        check("accounts.example", false);
    }

    #[test]
    fn words_of_a_stranger_are_shown_short_and_plain() {
        assert_eq!(shown("a\u{202e}b\r\n<b> é"), "ab<b> é");
        assert_eq!(shown(&"a".repeat(1000)).len(), SHOWN);
    }
}
