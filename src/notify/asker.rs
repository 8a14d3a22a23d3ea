//! Questions to servers that people name: one `GET`, under the rules of the messages.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::http_client::HttpClient;

/// Asks servers by HTTP: it follows no redirect, uses no proxy, and reaches no private address unless that is allowed.
#[derive(Debug, Clone)]
pub struct Asker(HttpClient);

impl Asker {
    /// A client whose answers may take so long.
    ///
    /// # Errors
    /// When no HTTPS client can be built here.
    pub fn new(allows_private: bool, timeout: Duration) -> reqwest::Result<Self> {
        HttpClient::new(allows_private, timeout).map(Self)
    }

    /// The status and the text of an answer, of at most 1 MiB; the key is sent as a bearer token.
    ///
    /// # Errors
    /// Why there is no answer, in a sentence for people; it names no key.
    pub async fn get(&self, url: &Url, key: Option<&SecretString>) -> Result<(u16, String), String> {
        let authorization = key.map(|key| format!("Bearer {}", key.expose_secret()));
        self.0.get(url, authorization).await
    }
}
