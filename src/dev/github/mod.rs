//! The GitHub twin: GitHub's REST routes that we use, over real bare git repositories.
//!
//! One server in this process. What it knows beside git is saved before each answer, so it may be
//! killed at any time. Tests act as other people, and order faults, through [`Twin`].

mod ci;
mod faults;
mod http_backend;
mod ledger;
mod pages;
mod people;
mod quota;
mod render;
mod repository;
mod routes;
mod serve;
mod state;
mod webhooks;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use anyhow::Context as _;
use base64::Engine as _;
use http::HeaderMap;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::{faults::Faults, ledger::Ledger, quota::Quota, render::Links, repository::Git, state::State};
pub use self::{
    faults::{Mode, Rule},
    ledger::Entry,
    people::Verdict,
    serve::{Exchange, Hook, Observer, Phase, RequestSeen},
    state::{CheckRun, Comment, Delivery, Issue, Merge, Pull, Review, ReviewComment, Status},
    webhooks::{Webhook, Webhooks},
};
use crate::dev::ci::Ci;

/// The login of the app whose token the twin accepts.
pub const BOT: &str = "aspora-coding-agent[bot]";
/// The slug of that app.
pub const APP: &str = "aspora-coding-agent";
/// The slug of the app under which the twin's own CI reports.
pub const CI_APP: &str = "twin-actions";

/// How to start a twin.
pub struct TwinConfig {
    /// Where repositories and state are kept; made if missing.
    pub data_dir: PathBuf,
    /// Where to listen; port 0 for any free one.
    pub addr: SocketAddr,
    /// The base of all links, if it is not `http://` and the address.
    pub public_url: Option<String>,
    /// The one token that is accepted, for REST and for git.
    pub token: String,
    /// Where webhooks go, if anywhere.
    pub webhook: Option<Webhook>,
    /// What checks the commits of pull requests, if anything.
    pub ci: Option<Ci>,
}

/// A running twin; it stops when dropped.
pub struct Twin {
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

impl Twin {
    /// Starts a twin, on from where a former one with the same folder stopped.
    ///
    /// # Errors
    /// When the folder cannot be used or its state not be read, or the address is taken.
    pub async fn start(config: TwinConfig) -> anyhow::Result<Self> {
        let repositories = config.data_dir.join("repositories");
        std::fs::create_dir_all(&repositories)
            .with_context(|| format!("make the folder {}", repositories.display()))?;
        let listener =
            TcpListener::bind(config.addr).await.with_context(|| format!("listen on {}", config.addr))?;
        let local = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared::new(config, local)?);
        routes::pulls::heal(&shared).await.context("finish what was begun")?;
        ci::resume(&shared);
        let server = tokio::spawn(serve::serve(Arc::clone(&shared), listener));
        let deliverer = Arc::clone(&shared);
        let client = reqwest::Client::builder().no_proxy().build().context("build the webhook client")?;
        tokio::spawn(async move { webhooks::deliver_all(&deliverer, client).await });
        Ok(Self { shared, server: Some(server) })
    }

    /// Stops and waits until the last answer is sent.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        if let Some(server) = self.server.take() {
            let _ = server.await;
        }
    }

    /// The base of the REST routes, such as `http://127.0.0.1:4000`.
    #[must_use]
    pub fn url(&self) -> String {
        self.shared.links.base.clone()
    }

    /// Where to clone and push `owner/name`.
    #[must_use]
    pub fn git_url(&self, repository: &str) -> String {
        format!("{}/{repository}.git", self.shared.links.base)
    }

    /// Every request so far, in the order of the answers.
    #[must_use]
    pub fn ledger(&self) -> Vec<Entry> {
        self.shared.ledger.entries()
    }

    /// Makes a request go wrong.
    ///
    /// # Errors
    /// When the rule's path is not a glob.
    pub fn fault(&self, rule: Rule) -> anyhow::Result<()> {
        self.shared.faults.arm(rule)
    }

    /// Forgets all rules.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Grants `limit` REST calls within the next `seconds` and answers any more as GitHub's primary rate
    /// limit does; `None`, as at the start: any number.
    pub fn grant(&self, limit: Option<(u64, i64)>) {
        self.shared.quota.set(limit);
    }

    /// Calls the hook before each request and after what it asked for is done, before the answer.
    pub fn on_request(&self, hook: serve::Hook) {
        push(&self.shared.hooks, hook);
    }

    /// Calls the observer with each REST exchange, as it was before any fault.
    pub fn observe(&self, observer: serve::Observer) {
        push(&self.shared.observers, observer);
    }

    /// The webhooks: what was sent, and mischief.
    #[must_use]
    pub fn webhooks(&self) -> &Webhooks {
        &self.shared.webhooks
    }

    /// Changes where webhooks go; what waits goes to the new place.
    pub fn set_webhook(&self, webhook: Option<Webhook>) {
        self.shared.webhooks.set_receiver(webhook);
        self.shared.webhooks.news.notify_one();
    }

    /// Waits until all checks are done and all webhooks delivered or given up.
    pub async fn settled(&self) {
        ci::settled(&self.shared).await;
        self.shared.webhooks.settled(&self.shared).await;
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// What all requests share.
pub(crate) struct Shared {
    data: PathBuf,
    pub(crate) links: Links,
    token: String,
    state: Mutex<State>,
    /// Held by whoever changes anything, so that changes follow one another.
    pub(crate) turn: tokio::sync::Mutex<()>,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) quota: Quota,
    pub(crate) webhooks: Webhooks,
    pub(crate) hooks: RwLock<Vec<serve::Hook>>,
    pub(crate) observers: RwLock<Vec<serve::Observer>>,
    pub(crate) ci: Option<Ci>,
    pub(crate) checks: tokio::sync::watch::Sender<usize>,
    pub(crate) stop: CancellationToken,
    /// Whether people without a token may look: only on this machine.
    pub(crate) pages: bool,
}

impl Shared {
    fn new(config: TwinConfig, local: String) -> anyhow::Result<Self> {
        let base = config.public_url.map_or(local, |url| url.trim_end_matches('/').to_owned());
        let webhooks = Webhooks::default();
        webhooks.set_receiver(config.webhook);
        Ok(Self {
            links: Links { base },
            token: config.token,
            state: Mutex::new(State::load(&config.data_dir.join("state.json"))?),
            turn: tokio::sync::Mutex::default(),
            ledger: Ledger::open(&config.data_dir.join("ledger.ndjson")).context("open the ledger")?,
            faults: Faults::default(),
            quota: Quota::default(),
            webhooks,
            hooks: RwLock::default(),
            observers: RwLock::default(),
            ci: config.ci,
            checks: tokio::sync::watch::Sender::new(0),
            stop: CancellationToken::new(),
            pages: config.addr.ip().is_loopback(),
            data: config.data_dir,
        })
    }

    /// Reads the state.
    pub(crate) fn look<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state and saves it. The change must not fail half-way.
    pub(crate) fn change<T>(&self, write: impl FnOnce(&mut State) -> anyhow::Result<T>) -> anyhow::Result<T> {
        anyhow::ensure!(!self.stop.is_cancelled(), "the twin has stopped");
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = write(&mut state)?;
        state.save(&self.data.join("state.json"))?;
        Ok(answer)
    }

    pub(crate) fn has(&self, repository: &str) -> bool {
        self.look(|state| state.repositories.contains_key(repository))
    }

    pub(crate) fn git(&self, repository: &str) -> Git {
        Git { dir: self.repositories().join(format!("{repository}.git")) }
    }

    pub(crate) fn repositories(&self) -> PathBuf {
        // `git http-backend` wants an absolute path.
        std::path::absolute(self.data.join("repositories")).unwrap_or_else(|_| Path::new("/").into())
    }

    /// Whether the request carries our token: `Bearer`, `token`, or basic with any user name.
    pub(crate) fn knows(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get("authorization").and_then(|value| value.to_str().ok()) else {
            return false;
        };
        match value.split_once(' ') {
            Some(("Basic", code)) => basic_password(code).as_deref() == Some(&*self.token),
            Some((_, token)) => token == self.token,
            None => false,
        }
    }
}

fn basic_password(code: &str) -> Option<String> {
    let pair = base64::engine::general_purpose::STANDARD.decode(code).ok()?;
    String::from_utf8(pair).ok()?.split_once(':').map(|(_, password)| password.to_owned())
}

fn push<T>(list: &RwLock<Vec<T>>, one: T) {
    list.write().unwrap_or_else(PoisonError::into_inner).push(one);
}

/// The present, as GitHub writes it.
pub(crate) fn now() -> String {
    chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
