//! GitHub, or any server with its REST API, for everything but git itself.
//!
//! The only room that names octocrab. Every request goes through one `call`, which retries nothing but a call
//! that a token was refused for (`credentials`), and does not sleep until a rate limit resets. A [`Throttle`] may
//! hold it back before it is sent. A failure says its kind and how long to wait; the job queue retries.

mod abilities;
mod account;
mod actions;
mod buttons;
mod call;
mod checks;
mod comments;
mod commits;
mod credentials;
mod deliveries;
mod error;
mod graphql;
mod headers;
mod inspect;
mod issues;
mod known_branches;
mod merge;
mod merge_answer;
pub mod permissions;
mod pulls;
mod repository;
mod reviews;
mod stacks;
mod statuses;
pub mod text;
mod threads;
mod throttle;
mod timeline;
mod versions;
pub mod webhook;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use http::{HeaderName, Method, header};
use octocrab::{Octocrab, service::middleware::retry::RetryConfig};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use url::Url;

use self::{
    abilities::Refusals, credentials::Credentials, known_branches::KnownBranches, repository::Names,
    versions::Notices,
};

use crate::core::{requirement::RepoName, sha::Sha};

pub use abilities::Abilities;
pub use account::Account;
pub use actions::{Job, WorkflowRun};
pub use buttons::Button;
pub use checks::{Annotation, CheckOutput, CheckRun, CheckUpdate, NewCheckRun};
pub use comments::Comment;
pub use commits::{BranchCommit, Committed};
pub use credentials::{AppKey, BadApp, Credential, CredentialKind};
pub use deliveries::Delivery;
pub use error::{Error, Kind};
pub use inspect::{ChosenMethod, Demand, Gravity, MergeMethods, Remark, RequiredCheck, Setting};
pub use issues::{Issue, NewIssue, PullFile};
pub use merge::{Merge, Order, PendingMerge};
pub use merge_answer::{Meaning, NotMerged, hindrance};
pub use pulls::{ListedPull, MergeState, NewPull, Pull, PullCommit, StackBase, StackPlace};
pub use repository::{GitAccess, Repository};
pub use reviews::{NewReview, NewReviewComment, Review, ReviewComment};
pub use stacks::Layer;
pub use statuses::{CommitStatus, NewStatus};
pub use threads::{GivenReview, Thread, ThreadComment, Writer};
pub use throttle::{Effort, Minting, Throttle};
pub use versions::API_VERSION;

/// The most bytes one answer may have (32 MiB); a longer one is refused unread.
const ANSWER_LIMIT: usize = 32 * 1024 * 1024;
/// The most items that GitHub puts on one page.
const PAGE_SIZE: usize = 100;
/// The most pages one listing may have; a longer one is refused rather than cut, since a truncated
/// list of checks or reviews would be judged as if it were complete.
const PAGE_LIMIT: usize = 100;

/// The address of GitHub and who we are there.
#[derive(Debug, Clone)]
pub struct Config {
    /// `https://api.github.com`, or another base with or without a path.
    pub api_url: Url,
    /// An App or a token; sent to `api_url` only, never shown.
    pub credential: Credential,
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
    /// How long a token that was just minted may be refused although it is valid, because GitHub's servers do not
    /// all know it yet (5 s, octokit/auth-app.js#65).
    pub young: Duration,
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
    credentials: Credentials,
    names: Names,
    notices: Notices,
    refusals: Refusals,
    branches: KnownBranches,
    /// Whether the server is thought to have `merge-async`; false once it has said that it has not.
    merges_async: AtomicBool,
    throttle: Option<Arc<dyn Throttle>>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            total: Duration::from_secs(90),
            young: Duration::from_secs(5),
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
        config.credential.check()?;
        Ok(Self {
            octocrab: client(&config)?,
            credentials: Credentials::new(config.credential.clone()),
            names: Names::default(),
            notices: Notices::default(),
            refusals: Refusals::default(),
            branches: KnownBranches::default(),
            merges_async: AtomicBool::new(true),
            throttle: None,
            config,
        })
    }

    /// The same client, with this throttle asked before every call.
    #[must_use]
    pub fn behind(self, throttle: Arc<dyn Throttle>) -> Self {
        Self { throttle: Some(throttle), ..self }
    }

    /// What GitHub last announced about the end of the API version that we use.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        self.notices.last()
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
}

impl fmt::Debug for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forge").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Config {
    /// Where people reach the server, as far as the API's address says: `https://github.com`, or that of a server
    /// of one's own.
    fn web_url(&self) -> Option<String> {
        let host = self.api_url.host_str()?;
        let host = host.strip_prefix("api.").unwrap_or(host);
        let port = self.api_url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}://{host}{port}", self.api_url.scheme()))
    }
}

/// The client without a credential: each request brings its own.
fn client(config: &Config) -> Result<Octocrab, BadConfig> {
    Octocrab::builder()
        .base_uri(config.api_url.origin().ascii_serialization())
        .map_err(|_| BadConfig::Url)?
        .add_header(header::ACCEPT, "application/vnd.github+json".to_owned())
        .add_header(HeaderName::from_static(versions::API_VERSION_HEADER), API_VERSION.to_owned())
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
