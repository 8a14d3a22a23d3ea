//! Putting the rooms together: a server, a worker, or both, over one database.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    activities::{Factory, ForgeThrottle, ModelThrottle, Polling},
    engine::Engine,
    github::{self, Forge},
    http, llm,
    queue::Timing,
    store::{self, Pool},
    worker,
    workspace::{Credentials, Remote, Sandbox, Signature, Unavailable, Workspaces},
};

/// How to reach GitHub and as whom.
#[derive(Debug, Clone)]
pub struct GitHub {
    /// The REST API.
    pub api_url: Url,
    /// Git and people, without a trailing slash.
    pub url: String,
    /// Who we are.
    pub token: SecretString,
}

/// Everything that the rooms must be told.
#[derive(Debug, Clone)]
pub struct App {
    /// Postgres.
    pub database_url: String,
    /// Where people reach the server, without a trailing slash.
    pub public_url: String,
    /// Where mirrors live.
    pub mirrors: std::path::PathBuf,
    /// The forge.
    pub forge: GitHub,
    /// The forge is the twin.
    pub forge_is_stand_in: bool,
    /// What webhooks are signed with.
    pub webhook_secrets: Vec<SecretString>,
    /// The model.
    pub model: llm::Config,
    /// The model is the scripted one.
    pub model_is_stand_in: bool,
    /// How patient workers are.
    pub timing: Timing,
    /// How often a waiting verdict looks even without news.
    pub polling: Polling,
    /// How long running jobs may go on after a stop was asked for.
    pub drain: Duration,
    /// The most model calls that a run may have answered without pushing a new head.
    pub calls_without_head: u32,
}

impl App {
    /// The engine over the database, whose schema is brought up to date.
    ///
    /// # Errors
    /// When the database cannot be reached or migrated, in one line.
    pub async fn engine(&self) -> anyhow::Result<Engine> {
        let pool = connect(&self.database_url, 16).await?;
        for ailment in
            store::server::read(&pool).await.context("ask the server what it is like")?.health_issues()
        {
            anyhow::ensure!(!ailment.is_fatal, "{}", ailment.what);
            tracing::warn!("{}", ailment.what);
        }
        store::migrate(&pool).await.context("migrate the database")?;
        Ok(Engine::open(pool).await?)
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
        let settings = http::Settings {
            public_url: self.public_url.clone(),
            forge_url: self.forge.url.clone(),
            webhook_secrets: self.webhook_secrets.clone(),
            forge_is_stand_in: self.forge_is_stand_in,
            model_is_stand_in: self.model_is_stand_in,
        };
        http::serve(listener, http::App { engine, settings: Arc::new(settings) }, stop).await
    }

    /// Works until `stop` is cancelled.
    ///
    /// # Errors
    /// When the forge's or the model's settings cannot be used.
    pub async fn work(
        &self,
        engine: Engine,
        name: String,
        sandbox: Result<Sandbox, Unavailable>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        tokio::spawn(store::upkeep::daily(engine.pool().clone(), stop.clone()));
        let factory = self.factory(engine.pool().clone(), sandbox)?;
        let reserved = connect(&self.database_url, 1).await?;
        let config = worker::Config { timing: self.timing, drain: self.drain, ..worker::Config::named(name) };
        worker::work(engine, reserved, Arc::new(factory), config, stop).await
    }

    /// The mirrors.
    ///
    /// # Errors
    /// When the forge's address cannot be used.
    pub fn workspaces(&self) -> anyhow::Result<Workspaces> {
        let config = crate::workspace::Config {
            root: self.mirrors.clone(),
            remote: Remote::Url(self.forge.url.clone()),
            credentials: Credentials::Token(self.forge.token.clone()),
            author: Signature {
                name: "aspora-coding-agent[bot]".to_owned(),
                email: "bot@aspora.ai".to_owned(),
            },
        };
        Ok(Workspaces::new(config)?)
    }

    fn factory(&self, pool: Pool, sandbox: Result<Sandbox, Unavailable>) -> anyhow::Result<Factory> {
        let forge = github::Config {
            api_url: self.forge.api_url.clone(),
            token: self.forge.token.clone(),
            timeouts: github::Timeouts::default(),
        };
        let forge_pace = ForgeThrottle::new(pool.clone(), &self.forge.api_url, &self.forge.token);
        let model_pace = ModelThrottle::new(pool.clone(), &self.model.base_url);
        Ok(Factory {
            pool,
            forge: Forge::new(forge)?.behind(Arc::new(forge_pace)),
            model: llm::Model::new(self.model.clone())?.behind(Arc::new(model_pace)),
            workspaces: self.workspaces()?,
            sandbox,
            public_url: self.public_url.clone(),
            polling: self.polling,
            calls_without_head: self.calls_without_head,
        })
    }
}

/// A token that is cancelled by the first SIGTERM or Ctrl-C; the second ends the process at once.
///
/// # Errors
/// When signals cannot be listened to.
pub fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let told = stop.clone();
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if told.is_cancelled() {
                std::process::exit(130);
            }
            told.cancel();
        }
    });
    Ok(stop)
}

/// This process's name in attempts and events.
#[must_use]
pub fn process_name() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = host.trim();
    format!("{}/{}", if host.is_empty() { "worker" } else { host }, std::process::id())
}

async fn connect(url: &str, connections: u32) -> anyhow::Result<Pool> {
    let connected = tokio::time::timeout(Duration::from_secs(10), store::connect(url, connections)).await;
    let shown = url.split('@').next_back().unwrap_or("it");
    connected.context("the database did not answer within 10 s")?.with_context(|| {
        format!("connect to the database at {shown}; is Postgres running and DATABASE_URL right?")
    })
}
