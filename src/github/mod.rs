//! GitHub, or any server with its REST API, for everything but git itself.
//!
//! The only room that names octocrab. Every request goes through one `call`, which sends it exactly once:
//! it retries nothing, follows no redirect and does not sleep until a rate limit resets. A [`Throttle`] may
//! hold it back before it is sent. A failure says its kind and how long to wait; the job queue retries.

mod account;
mod actions;
mod checks;
mod comments;
mod error;
mod headers;
mod merge;
mod merge_answer;
mod pulls;
mod reviews;
mod stacks;
mod statuses;
pub mod text;
mod throttle;
pub mod webhook;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use octocrab::{Octocrab, service::middleware::retry::RetryConfig};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use tokio::sync::OnceCell;
use url::Url;

use crate::core::{outage::Pass, requirement::RepoName, sha::Sha};

pub use account::Account;
pub use actions::{Job, WorkflowRun};
pub use checks::{Annotation, CheckOutput, CheckRun, CheckUpdate, NewCheckRun};
pub use comments::Comment;
pub use error::{Error, Kind};
pub use merge::{Merge, Order, PendingMerge};
pub use merge_answer::{Meaning, NotMerged, hindrance};
pub use pulls::{MergeState, NewPull, Pull, StackBase, StackPlace};
pub use reviews::{NewReview, NewReviewComment, Review};
pub use stacks::Layer;
pub use statuses::{CommitStatus, NewStatus};
pub use throttle::{Effort, Throttle};

/// The most bytes one answer may have (32 MiB); a longer one is refused unread.
const ANSWER_LIMIT: usize = 32 * 1024 * 1024;
/// The most items that GitHub puts on one page.
const PAGE_SIZE: usize = 100;
/// The most pages one listing may have; a longer one is refused rather than cut, since a truncated
/// list of checks or reviews would be judged as if it were complete.
const PAGE_LIMIT: usize = 100;

/// The address of GitHub and the account to use.
#[derive(Debug, Clone)]
pub struct Config {
    /// `https://api.github.com`, or another base with or without a path.
    pub api_url: Url,
    /// A personal or installation token; sent to `api_url` only, never shown.
    pub token: SecretString,
    /// How long each part of a call may take.
    pub timeouts: Timeouts,
}

/// How long one call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To open a connection, TLS included.
    pub connect: Duration,
    /// Between two chunks of an answer.
    pub read: Duration,
    /// For the whole call, even if chunks keep arriving.
    pub total: Duration,
}

/// Why a [`Config`] cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadConfig {
    /// Another scheme, no host, or a name and password inside the URL.
    #[error("the GitHub URL must be http(s)://host[/path], without a name or password in it")]
    Url,
    /// Empty, or with characters that no token has, such as a line break read from a file.
    #[error("the GitHub token must be visible ASCII, without spaces or line breaks")]
    Token,
    /// The system has no usable certificates.
    #[error("no HTTPS client can be built here; are the system's CA certificates installed?")]
    Client,
}

/// A connection pool to GitHub, as one account.
pub struct Forge {
    octocrab: Octocrab,
    config: Config,
    identity: OnceCell<Account>,
    /// Whether the server is thought to have `merge-async`; false once it has said that it has not.
    merges_async: AtomicBool,
    throttle: Option<Arc<dyn Throttle>>,
}

/// A successful answer, read completely.
struct Answer {
    call: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            total: Duration::from_secs(90),
        }
    }
}

impl Forge {
    /// Builds the client without sending anything. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`BadConfig`] when the URL or the token cannot be used.
    pub fn new(config: Config) -> Result<Self, BadConfig> {
        let url = &config.api_url;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none();
        if !plain || url.query().is_some() || url.fragment().is_some() {
            return Err(BadConfig::Url);
        }
        let token = config.token.expose_secret();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadConfig::Token);
        }
        Ok(Self {
            octocrab: client(&config)?,
            config,
            identity: OnceCell::new(),
            merges_async: AtomicBool::new(true),
            throttle: None,
        })
    }

    /// The same client, with this throttle asked before every call.
    #[must_use]
    pub fn behind(self, throttle: Arc<dyn Throttle>) -> Self {
        Self { throttle: Some(throttle), ..self }
    }

    async fn get<T: DeserializeOwned>(&self, route: &str) -> Result<T, Error> {
        self.call(Method::GET, route, None::<&()>).await?.json()
    }

    async fn post<T: DeserializeOwned>(&self, route: &str, body: &impl Serialize) -> Result<T, Error> {
        self.call(Method::POST, route, Some(body)).await?.json()
    }

    async fn patch<T: DeserializeOwned>(&self, route: &str, body: &impl Serialize) -> Result<T, Error> {
        self.call(Method::PATCH, route, Some(body)).await?.json()
    }

    /// Every page of a listing. The next page is requested by its number and never by the URL in the answer,
    /// so that no answer can send the token to another host.
    async fn pages<P, T>(&self, route: &str, items: fn(P) -> Vec<T>) -> Result<Vec<T>, Error>
    where
        P: DeserializeOwned,
    {
        let join = if route.contains('?') { '&' } else { '?' };
        let mut all = Vec::new();
        for page in 1..=PAGE_LIMIT {
            let route = format!("{route}{join}per_page={PAGE_SIZE}&page={page}");
            let answer = self.call(Method::GET, &route, None::<&()>).await?;
            let more = answer.has_more();
            let found = items(answer.json()?);
            let full = found.len() >= PAGE_SIZE;
            all.extend(found);
            if !more && !full {
                return Ok(all);
            }
        }
        Err(Error::unreadable(format!("GET {route}"), &format!("the list has over {PAGE_LIMIT} pages")))
    }

    /// Sends one request once and maps every failure; the only place in this room that does either.
    async fn call<B>(&self, method: Method, route: &str, body: Option<&B>) -> Result<Answer, Error>
    where
        B: Serialize + ?Sized,
    {
        self.call_also(method, route, body, &[]).await
    }

    /// As [`Self::call`]; answers with these statuses too are answers and not errors.
    async fn call_also<B>(
        &self,
        method: Method,
        route: &str,
        body: Option<&B>,
        also: &[StatusCode],
    ) -> Result<Answer, Error>
    where
        B: Serialize + ?Sized,
    {
        let call = format!("{method} {route}");
        let pass = match &self.throttle {
            Some(throttle) => {
                throttle.pass(Effort::of(&method)).await.map_err(|held| Error::held(&call, held))?
            }
            None => Pass::default(),
        };
        let exchange = self.exchange(method, route, body, &call, also);
        let outcome = match tokio::time::timeout(self.config.timeouts.total, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::timeout(call, self.config.timeouts.total)),
        };
        let outcome = outcome.map_err(|error| error.without(self.config.token.expose_secret()));
        self.ended(pass, outcome).await
    }

    /// Reports how a call ended, and learns whether its failure is part of an outage.
    async fn ended<T>(&self, pass: Pass, outcome: Result<T, Error>) -> Result<T, Error> {
        let Some(throttle) = &self.throttle else { return outcome };
        let failure = outcome.as_ref().err().filter(|error| error.kind().is_outage());
        let outage = throttle.ended(pass, failure.map(ToString::to_string)).await;
        outcome.map_err(|error| error.part_of(outage))
    }

    async fn exchange<B>(
        &self,
        method: Method,
        route: &str,
        body: Option<&B>,
        call: &str,
        also: &[StatusCode],
    ) -> Result<Answer, Error>
    where
        B: Serialize + ?Sized,
    {
        let request = http::Request::builder().method(method).uri(route);
        let request =
            self.octocrab.build_request(request, body).map_err(|error| Error::unsent(call, &error))?;
        let answer = self.octocrab.execute(request).await.map_err(|error| Error::broken(call, &error))?;
        let (head, body) = answer.into_parts();
        if head.status.is_success() || also.contains(&head.status) {
            self.observe(&head.headers, None).await;
        }
        let body = Limited::new(body, ANSWER_LIMIT)
            .collect()
            .await
            .map_err(|error| Error::cut(call, error.as_ref()))?
            .to_bytes();
        match head.status {
            StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {
                Ok(Answer { call: call.to_owned(), headers: head.headers, body })
            }
            status if also.contains(&status) => {
                Ok(Answer { call: call.to_owned(), headers: head.headers, body })
            }
            status => {
                let error = Error::answered(call, status, &head.headers, &body);
                self.observe(&head.headers, Some(&error)).await;
                Err(error)
            }
        }
    }

    async fn observe(&self, headers: &HeaderMap, error: Option<&Error>) {
        if let Some(throttle) = &self.throttle {
            throttle.observe(throttle::observed(headers, error, chrono::Utc::now())).await;
        }
    }
}

impl fmt::Debug for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forge").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Answer {
    fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::unreadable(self.call, &format!("the answer is not as expected: {error}")))
    }

    fn has_more(&self) -> bool {
        let links = self.headers.get_all(header::LINK).iter();
        links.filter_map(|link| link.to_str().ok()).any(|link| link.contains("rel=\"next\""))
    }
}

/// The only place that authenticates. A GitHub App would use `octocrab.app(..)` and `installation(..)` here;
/// nothing outside of this function would change.
fn client(config: &Config) -> Result<Octocrab, BadConfig> {
    Octocrab::builder()
        .base_uri(config.api_url.as_str())
        .map_err(|_| BadConfig::Url)?
        .personal_token(config.token.clone())
        .add_header(header::ACCEPT, "application/vnd.github+json".to_owned())
        .add_retry_config(RetryConfig::None)
        .set_connect_timeout(Some(config.timeouts.connect))
        .set_read_timeout(Some(config.timeouts.read))
        .set_write_timeout(Some(config.timeouts.read))
        .build()
        .map_err(|_| BadConfig::Client)
}

/// A path below `/repos/owner/name`; a [`RepoName`] holds nothing that needs escaping.
fn route(repo: &RepoName, rest: &str) -> String {
    format!("/repos/{repo}/{rest}")
}

/// Escapes a text for one segment of a path or one value of a query.
fn escape(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A commit, where GitHub may also send null or something that is not a SHA.
fn sha_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Sha>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// A text, where GitHub may also send null.
fn text_or_empty<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(from)?.unwrap_or_default())
}
