//! The running twin: starting, stopping, and what tests see and disturb.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize},
    },
};

use anyhow::Context as _;
use reqwest::redirect::Policy;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    async_merges, ci, control,
    credentials::Credentials,
    deliveries,
    event::Announcement,
    faults::{FaultRule, Faults},
    host::Host,
    ledger::{Entry, Ledger},
    lists::Lists,
    members::Members,
    merges,
    observe::{Hook, Listeners, Observer},
    quota::Quota,
    render::Links,
    routes::LARGEST_PAGE,
    serve,
    sessions::Sessions,
    shared::Shared,
    versions::Versions,
    webhooks::{Webhook, Webhooks},
};
use crate::dev::ci::Ci;

/// How to start a twin.
pub struct TwinConfig {
    /// Where repositories and state are kept; created if missing.
    pub data_dir: PathBuf,
    /// Where to listen; port 0 for any free one.
    pub addr: SocketAddr,
    /// The base of all links, if it is not `http://` and the address.
    pub public_url: Option<String>,
    /// Where webhooks go, if anywhere.
    pub webhook: Option<Webhook>,
    /// The CI that checks the commits of pull requests, if any.
    pub ci: Option<Ci>,
}

/// A running twin; it stops when dropped.
pub struct Twin {
    pub(super) shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

impl Twin {
    /// Starts a twin, which continues from what an earlier one saved in the same folder.
    ///
    /// # Errors
    /// When the folder cannot be used, its state cannot be read, or the address is taken.
    pub async fn start(config: TwinConfig) -> anyhow::Result<Self> {
        let repositories = config.data_dir.join("repositories");
        std::fs::create_dir_all(&repositories)
            .with_context(|| format!("create the folder {}", repositories.display()))?;
        let listener =
            TcpListener::bind(config.addr).await.with_context(|| format!("listen on {}", config.addr))?;
        let local = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(shared(config, local)?);
        let host = &shared.host;
        merges::recover(&host.turn().await).await.context("finish what an earlier twin had begun")?;
        ci::resume(host);
        async_merges::resume(host);
        let server = tokio::spawn(serve::serve(Arc::clone(&shared), listener));
        // The list of deliveries counts a redirect as an answer, so that none is followed.
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build();
        let client = client.context("build the webhook client")?;
        let deliverer = Arc::clone(host);
        tokio::spawn(async move { deliveries::run(&deliverer, client).await });
        Ok(Self { shared, server: Some(server) })
    }

    /// Stops and waits until the last answer is sent.
    pub async fn stop(mut self) {
        self.shared.host.stop.cancel();
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

    /// Makes a request fail.
    ///
    /// # Errors
    /// When the path of the rule is not a glob.
    pub fn inject(&self, rule: FaultRule) -> anyhow::Result<()> {
        self.shared.faults.add(rule)
    }

    /// Removes all fault rules.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Allows `limit` REST calls within the next `seconds`, and answers further ones with GitHub's primary rate
    /// limit. `None`, the default, allows as many as GitHub does.
    pub fn limit_rate(&self, limit: Option<(u64, i64)>) {
        self.shared.quota.set(limit);
    }

    /// The secret of the routes below `/_twin/`, which is also in the file `control` of the twin's folder.
    #[must_use]
    pub fn control_secret(&self) -> &str {
        &self.shared.control
    }

    /// Calls the hook before each request, and after it is done but not yet answered.
    pub fn on_request(&self, hook: Hook) {
        self.shared.listeners.add_hook(hook);
    }

    /// Calls the observer with each REST exchange, as it was before any fault.
    pub fn observe(&self, observer: Observer) {
        self.shared.listeners.add_observer(observer);
    }

    /// The webhooks: what was delivered, and delivery faults.
    #[must_use]
    pub fn webhooks(&self) -> &Webhooks {
        &self.shared.host.webhooks
    }

    /// Changes where webhooks go; those in the queue go to the new receiver.
    pub fn set_webhook(&self, webhook: Option<Webhook>) {
        self.shared.host.webhooks.set_receiver(webhook);
    }

    /// Waits until no check is running and no webhook is left to deliver.
    pub async fn settled(&self) {
        ci::settled(&self.shared.host).await;
        deliveries::settled(&self.shared.host).await;
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        self.shared.host.stop.cancel();
    }
}

fn shared(config: TwinConfig, local: String) -> anyhow::Result<Shared> {
    let control = control::secret(&config.data_dir, &local)?;
    let base = config.public_url.map_or(local, |url| url.trim_end_matches('/').to_owned());
    let links = Links { base };
    let ledger = Ledger::open(&config.data_dir.join("ledger.ndjson")).context("open the ledger")?;
    let renderer = links.clone();
    let payload = Box::new(move |announcement: &Announcement<'_>| renderer.payload(announcement));
    let members = Members::open(&config.data_dir)?;
    let host = Host::open(config.data_dir, config.ci, payload)?;
    host.webhooks.set_receiver(config.webhook);
    Ok(Shared {
        credentials: Credentials::new(Arc::clone(&host.clock)),
        members,
        sessions: Sessions::default(),
        host: Arc::new(host),
        links,
        ledger,
        faults: Faults::default(),
        quota: Quota::default(),
        versions: Versions::default(),
        lists: Lists::default(),
        page_size: AtomicUsize::new(LARGEST_PAGE),
        control,
        listeners: Listeners::default(),
        requests: AtomicU64::new(0),
        pages: config.addr.ip().is_loopback(),
    })
}
