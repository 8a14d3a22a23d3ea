//! Wires the rooms together: a server, a worker, or both, over one database.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::FutureExt as _;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    activities::{
        Breaker, Factory, ForgeThrottle, Lister, ModelThrottle, Polling, Probes, Reconciler, ReviewerAccess,
    },
    core::{access::Key, requirement::RepoName, words::counted},
    engine::Engine,
    github::{self, Credential, Forge},
    http, llm,
    metrics::{self, Metrics},
    notify,
    queue::Timing,
    store::{self, Pool},
    worker,
    workspace::{Access, Credentials, Mint, NoAccess, Remote, Sandbox, Signature, Unavailable, Workspaces},
};

/// How to reach GitHub, and who we are there.
#[derive(Debug, Clone)]
pub struct GitHub {
    /// Base URL of the REST API.
    pub api_url: Url,
    /// Base URL for git and for links, without a trailing slash.
    pub url: String,
    /// Who we are there.
    pub credential: Credential,
}

/// The configuration of a server and a worker.
#[derive(Debug, Clone)]
pub struct App {
    /// Postgres.
    pub database_url: String,
    /// URL under which people reach the server, without a trailing slash.
    pub public_url: String,
    /// Directory of the mirrors.
    pub mirrors: std::path::PathBuf,
    /// The forge.
    pub forge: GitHub,
    /// Whether the forge is the GitHub twin.
    pub forge_is_stand_in: bool,
    /// Names of the server besides that of its URL, without a port.
    pub hosts: Vec<String>,
    /// The key of the one person of this machine; only `dev` and `demo` have one.
    pub local_key: Option<Key>,
    /// The identity provider at which people sign in, if one is set up.
    pub oidc: Option<http::OidcConfig>,
    /// The secrets that webhooks may be signed with.
    pub webhook_secrets: Vec<SecretString>,
    /// Who may tell of incidents by webhooks.
    pub incident_senders: BTreeMap<String, http::IncidentSender>,
    /// The model; only workers ask one.
    pub model: Option<llm::Config>,
    /// Whether the model is the scripted one.
    pub model_is_stand_in: bool,
    /// Lease and poll intervals of workers.
    pub timing: Timing,
    /// How often a waiting run polls the forge.
    pub polling: Polling,
    /// How long running jobs may continue during a shutdown.
    pub drain: Duration,
    /// How long a run waits for a provider that is out of reach.
    pub longest_outage: Duration,
    /// Maximum number of model calls of a run without a new head.
    pub calls_without_head: u32,
    /// The mail server, if there is one.
    pub smtp: Option<notify::Smtp>,
    /// Whether people may be notified at private addresses.
    pub notify_private: bool,
    /// The keys of reviewers that are asked by HTTP, each with the origin of its server.
    pub reviewer_keys: Vec<(String, SecretString)>,
    /// What this process counts.
    pub metrics: Arc<Metrics>,
    /// Where metrics are read; `None`: nowhere.
    pub metrics_listen: Option<SocketAddr>,
}

impl App {
    /// Migrates the database and opens the engine over it.
    ///
    /// # Errors
    /// When the database cannot be reached or migrated, in one line.
    pub async fn engine(&self) -> anyhow::Result<Engine> {
        let pool = connect(&self.database_url, 16).await?;
        let server = store::server::read(&pool).await.context("read the settings of the database server")?;
        for issue in server.health_issues() {
            anyhow::ensure!(!issue.is_fatal, "{}", issue.what);
            tracing::warn!("{}", issue.what);
        }
        store::migrate(&pool).await.context("migrate the database")?;
        Ok(Engine::open(pool).await?)
    }

    /// Reports metrics until `stop` is cancelled, if an address is set: those of this process and, with `pool`, what the
    /// database says of all.
    ///
    /// # Errors
    /// When the address is in use.
    pub async fn report(&self, pool: Option<Pool>, stop: CancellationToken) -> anyhow::Result<()> {
        let Some(address) = self.metrics_listen else { return Ok(()) };
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("listen on {address} (ASPORA_METRICS_LISTEN)"))?;
        tracing::info!("metrics are at http://{address}/metrics");
        let read: metrics::Read = Arc::new(move || figures(pool.clone()).boxed());
        tokio::spawn(metrics::serve(listener, Arc::clone(&self.metrics), read, stop));
        Ok(())
    }

    /// Serves until `stop` is cancelled.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        &self,
        engine: Engine,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        tokio::spawn(store::upkeep::daily(engine.pool().clone(), stop.clone()));
        let throttle = ForgeThrottle::new(engine.pool().clone(), &self.forge.api_url);
        let forge = Arc::new(self.client()?.behind(Arc::new(throttle)));
        let git_breaker = Breaker::of_git(engine.pool().clone(), &self.forge.url);
        let workspaces = self.workspaces(Arc::clone(&forge))?.behind(git_breaker.map(|it| Arc::new(it) as _));
        let settings = http::Settings {
            metrics: Arc::clone(&self.metrics),
            public_url: self.public_url.clone(),
            forge_url: self.forge.url.clone(),
            forge: Some(forge),
            workspaces: Some(workspaces),
            webhook_secrets: self.webhook_secrets.clone(),
            incident_senders: self.incident_senders.clone(),
            forge_is_stand_in: self.forge_is_stand_in,
            model_is_stand_in: self.model_is_stand_in,
            hosts: self.hosts.clone(),
            notify_private: self.notify_private,
            local_key: self.local_key.clone(),
            oidc: self.oidc.clone().map(http::OidcProvider::new).transpose()?.map(Arc::new),
        };
        http::serve(listener, http::AppState { engine, settings: Arc::new(settings) }, stop).await
    }

    /// Runs jobs until `stop` is cancelled.
    ///
    /// # Errors
    /// When the settings of the forge or the model are invalid.
    pub async fn work(
        &self,
        engine: Engine,
        name: String,
        sandbox: Result<Sandbox, Unavailable>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        tokio::spawn(store::upkeep::daily(engine.pool().clone(), stop.clone()));
        if let Ok(sandbox) = &sandbox {
            tokio::spawn(sandbox.layers().clone().upkeep(stop.clone()));
        }
        let factory = self.factory(engine.pool().clone(), sandbox)?;
        let reconciler = Reconciler::new(engine.pool().clone(), Arc::clone(&factory.forge));
        tokio::spawn(reconciler.run(stop.clone()));
        let lister = Lister::new(engine.clone(), Arc::clone(&factory.forge));
        tokio::spawn(lister.run(stop.clone()));
        sweep(engine.pool(), &factory.workspaces).await;
        let reserved = connect(&self.database_url, 1).await?;
        let config = worker::Config {
            metrics: Arc::clone(&self.metrics),
            timing: self.timing,
            drain: self.drain,
            longest_outage: self.longest_outage,
            sender: Some(self.sender()?),
            ..worker::Config::named(name)
        };
        worker::work(engine, reserved, Arc::new(factory), config, stop).await
    }

    /// What sends messages to people.
    ///
    /// # Errors
    /// When the settings of the mail server cannot be used.
    pub fn sender(&self) -> anyhow::Result<notify::Sender> {
        Ok(notify::Sender::new(notify::Config {
            public_url: self.public_url.clone(),
            forge_url: self.forge.url.clone(),
            allows_private: self.notify_private,
            smtp: self.smtp.clone(),
        })?)
    }

    /// The mirrors of the products' repositories; git reaches them as the forge's client does.
    ///
    /// # Errors
    /// When the forge's URL is invalid.
    pub fn workspaces(&self, forge: Arc<Forge>) -> anyhow::Result<Workspaces> {
        let mint: Mint = Arc::new(move |repository| {
            let forge = Arc::clone(&forge);
            async move { access(&forge, &repository).await }.boxed()
        });
        let config = crate::workspace::Config {
            root: self.mirrors.clone(),
            remote: Remote::Url(self.forge.url.clone()),
            credentials: Credentials::Minted(mint),
            author: Signature {
                name: "aspora-coding-agent[bot]".to_owned(),
                email: "bot@aspora.ai".to_owned(),
            },
        };
        Ok(Workspaces::new(config)?)
    }

    /// The client of the forge.
    ///
    /// # Errors
    /// When its address or its credential cannot be used.
    pub fn client(&self) -> anyhow::Result<Forge> {
        self.forge.client()
    }

    fn factory(&self, pool: Pool, sandbox: Result<Sandbox, Unavailable>) -> anyhow::Result<Factory> {
        let probes = Probes::default();
        let forge_throttle = ForgeThrottle::new(pool.clone(), &self.forge.api_url).noting(&probes);
        let forge = Arc::new(self.client()?.behind(Arc::new(forge_throttle)));
        let git_breaker = Breaker::of_git(pool.clone(), &self.forge.url).map(|it| it.noting(&probes));
        let model = |config: &llm::Config| {
            let throttle = ModelThrottle::new(pool.clone(), &config.base_url).noting(&probes);
            Ok::<_, llm::BadConfig>(llm::Model::new(config.clone())?.behind(Arc::new(throttle)))
        };
        let main = self.model.as_ref().context("OPENAI_API_KEY is not set, and a worker asks a model")?;
        let fallback = main.fallback.as_deref().map(model).transpose();
        Ok(Factory {
            model: model(main)?,
            fallback: fallback.context("the fallback model cannot be used")?,
            pool,
            workspaces: self.workspaces(Arc::clone(&forge))?.behind(git_breaker.map(|it| Arc::new(it) as _)),
            forge,
            probes,
            sandbox,
            public_url: self.public_url.clone(),
            polling: self.polling,
            calls_without_head: self.calls_without_head,
            reviewers: ReviewerAccess::new(self.notify_private, self.reviewer_keys.clone())
                .context("no client for reviewers can be built")?,
        })
    }
}

impl GitHub {
    /// A client with this address and credential.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn client(&self) -> anyhow::Result<Forge> {
        let (api_url, credential) = (self.api_url.clone(), self.credential.clone());
        Ok(Forge::new(github::Config { api_url, credential, timeouts: github::Timeouts::default() })?)
    }
}

/// What the database says of all processes; nothing while it does not answer.
async fn figures(pool: Option<Pool>) -> Vec<metrics::Sample> {
    let Some(pool) = pool else { return Vec::new() };
    let read = store::metrics::read(&pool).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the figures of the database could not be read");
        Vec::new()
    });
    read.into_iter()
        .map(|store::metrics::Figure { name, labels, value }| metrics::Sample { name, labels, value })
        .collect()
}

async fn access(forge: &Forge, repository: &RepoName) -> Result<Access, NoAccess> {
    let github::GitAccess { name, token } = forge.git_access(repository).await.map_err(|error| NoAccess {
        held: error.held_by().map(str::to_owned).zip(error.retry_after()),
        after: error.retry_after(),
        outage: error.outage().cloned(),
        reason: error.to_string(),
    })?;
    Ok(Access { repository: name, token })
}

/// A token that the first SIGTERM or Ctrl-C cancels; the second exits the process at once.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let cancelled = stop.clone();
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if cancelled.is_cancelled() {
                std::process::exit(130);
            }
            cancelled.cancel();
        }
    });
    Ok(stop)
}

/// The name of this process in attempts and events.
#[must_use]
pub fn process_name() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = host.trim();
    format!("{}/{}", if host.is_empty() { "worker" } else { host }, std::process::id())
}

async fn connect(url: &str, connections: u32) -> anyhow::Result<Pool> {
    let connected = tokio::time::timeout(Duration::from_secs(10), store::connect(url, connections)).await;
    let shown = url.split('@').next_back().unwrap_or("DATABASE_URL");
    connected.context("the database did not answer within 10 s")?.with_context(|| {
        format!("connect to the database at {shown}; check that Postgres runs and that DATABASE_URL is right")
    })
}

/// For how long a mirror that no product and no run needs is kept.
const UNUSED: Duration = Duration::from_secs(7 * 24 * 3600);

/// Removes mirrors that are no longer needed. One that stays costs space alone, so that a failure is logged.
async fn sweep(pool: &Pool, workspaces: &Workspaces) {
    let swept = async {
        let names = store::repository::in_use(pool).await?;
        let keep: Vec<RepoName> = names.iter().filter_map(|name| name.parse().ok()).collect();
        anyhow::Ok(workspaces.sweep(&keep, UNUSED).await?)
    };
    match swept.await {
        Ok(0) => {}
        Ok(swept) => tracing::info!("removed {} that nothing needs", counted(swept, "mirror")),
        Err(error) => tracing::warn!("could not remove old mirrors: {error:#}"),
    }
}
