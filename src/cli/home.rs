//! A whole factory in one process and one folder: what `aspora dev` and `aspora demo` stand on.

use std::{fs::File, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use futures::future::{join_all, select_all};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    app::{App, GitHub, process_name},
    settings::Settings,
};
use crate::{
    activities::Polling,
    core::requirement::ProductName,
    dev::{Needs, StandIns, model::MODEL, unittest},
    engine::Engine,
    llm,
    store::product,
    workspace::{Limits, Sandbox, Unavailable},
};

/// How soon a waiting run looks at the twin by itself: it is next door, and a lost webhook costs little.
const LOOK_NEXT_DOOR: Polling = Polling { least: Duration::from_secs(2), most: Duration::from_secs(600) };

/// A running factory.
pub struct DevServer {
    /// Where people reach it.
    pub url: String,
    /// Its engine.
    pub engine: Engine,
    /// What was put up because the environment does not name the real thing.
    pub stand: StandIns,
    /// Where the products' tests run.
    pub sandbox: Result<Sandbox, Unavailable>,
    house: App,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
    _lock: File,
}

impl DevServer {
    /// Opens a factory in `folder`, on from where an earlier one there stopped.
    ///
    /// # Errors
    /// When the folder is in use, the address is taken or a part cannot start.
    pub async fn open(
        settings: &Settings,
        folder: &Path,
        listen: SocketAddr,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let lock = lock(folder)?;
        let sandbox = Sandbox::find().await;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("listen on {listen}; choose another port with --port"))?;
        let local = format!("http://{}", listener.local_addr()?);
        let url = settings.public_url.clone().unwrap_or_else(|| local.clone());
        let needs = Needs {
            database: settings.database_url.is_none(),
            forge: settings.github.is_none(),
            model: settings.model.is_none(),
        };
        let webhooks = format!("{local}/api/v1/webhooks/github");
        let stand = StandIns::start(folder, needs, webhooks, sandbox.clone()).await?;
        let house = house(settings, &stand, folder, url.clone())?;
        let engine = house.engine().await?;
        let tasks = vec![
            tokio::spawn({
                let (house, engine, stop) = (house.clone(), engine.clone(), stop.clone());
                async move { house.serve(engine, listener, stop).await }
            }),
            tokio::spawn({
                let (house, engine, stop) = (house.clone(), engine.clone(), stop.clone());
                let sandbox = sandbox.clone();
                async move { house.work(engine, process_name(), sandbox, stop).await }
            }),
        ];
        Ok(Self { url, engine, stand, sandbox, house, stop, tasks, _lock: lock })
    }

    /// Registers the embedded product, if the forge is the twin.
    ///
    /// # Errors
    /// When the twin or the database does not take it.
    pub async fn add_wealth(&self) -> anyhow::Result<()> {
        if self.stand.twin().is_some() {
            let (name, repository) = self.stand.wealth().await?;
            product::put(self.engine.pool(), &name, &repository, "main", &unittest()).await?;
        }
        Ok(())
    }

    /// Registers a git repository of this machine as a product's.
    ///
    /// # Errors
    /// When it is none, or the forge is not the twin.
    pub async fn add_local(&self, name: &ProductName, folder: &Path) -> anyhow::Result<()> {
        let repository = self.stand.adopt(name, folder).await?;
        product::put(self.engine.pool(), name, &repository, "main", &unittest()).await?;
        Ok(())
    }

    /// Runs a product's tests on its base branch as it is now; a sentence for people.
    ///
    /// # Errors
    /// When the branch cannot be read.
    pub async fn test_main(&self, repository: &str, branch: &str) -> anyhow::Result<String> {
        let sandbox = match &self.sandbox {
            Ok(sandbox) => sandbox,
            Err(unavailable) => return Ok(unavailable.to_string()),
        };
        let mirror = self.house.workspaces()?.mirror(&repository.parse()?);
        mirror.fetch().await?;
        let head =
            mirror.branch(branch).await?.with_context(|| format!("{repository} has no branch {branch}"))?;
        let (worktree, command) = (mirror.worktree(&head).await?, unittest());
        let argv: Vec<&str> = command.iter().map(String::as_str).collect();
        let run = sandbox.run(worktree.path(), &argv, Limits::default()).await?;
        let last = run.output.lines().rev().find(|line| line.starts_with("Ran ")).unwrap_or_default();
        let word = if run.passed { "pass" } else { "FAIL" };
        Ok(format!("the product's tests {word} on {branch} at {} ({last})", head.short()))
    }

    /// Which parts are stand-ins, for people.
    #[must_use]
    pub fn stand_ins(&self) -> String {
        let part = |stand_in, what: &str, real: &str| match stand_in {
            true => format!("{what}: a stand-in on this machine"),
            false => format!("{what}: {real}"),
        };
        [
            part(self.stand.database_url().is_some(), "database", "DATABASE_URL"),
            part(self.house.forge_is_stand_in, "GitHub", &self.house.forge.url),
            part(self.house.model_is_stand_in, "model", &self.house.model.base_url),
        ]
        .join("; ")
    }

    /// Waits until the factory stops by itself or is told to.
    ///
    /// # Errors
    /// Why a part stopped by itself.
    pub async fn run(self) -> anyhow::Result<()> {
        let (ended, _, rest) = select_all(self.tasks).await;
        // One part alone is no factory.
        self.stop.cancel();
        let mut all = vec![ended];
        all.extend(join_all(rest).await);
        self.engine.pool().close().await;
        all.into_iter().try_for_each(|ended| ended.context("a part of the factory crashed")?)
    }

    /// Stops everything, giving back what has begun.
    ///
    /// # Errors
    /// As [`DevServer::run`].
    pub async fn close(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.run().await
    }
}

/// The house over what is real and what stands in for the rest.
fn house(settings: &Settings, stand: &StandIns, folder: &Path, url: String) -> anyhow::Result<App> {
    let database_url = stand.database_url().or_else(|| settings.database_url.clone());
    let (forge, polling) = match (stand.twin(), &settings.github) {
        (Some(twin), _) => {
            let forge =
                GitHub { api_url: twin.url().parse()?, url: twin.url(), token: stand.token().clone() };
            (forge, LOOK_NEXT_DOOR)
        }
        (None, Some(github)) => (github.clone(), settings.polling),
        (None, None) => bail!("there is neither a forge nor a stand-in for one"),
    };
    let mut webhook_secrets = settings.webhook_secrets.clone();
    if stand.twin().is_some() {
        webhook_secrets.push(stand.webhook_secret().clone());
    }
    Ok(App {
        database_url: database_url.context("there is neither a database nor a stand-in for one")?,
        public_url: url,
        mirrors: folder.join("mirrors"),
        forge,
        forge_is_stand_in: stand.twin().is_some(),
        webhook_secrets,
        model_is_stand_in: settings.model.is_none(),
        model: settings.model.clone().or_else(|| scripted_model(stand)).context("there is no model")?,
        timing: settings.timing,
        polling,
        drain: settings.drain,
        calls_without_head: settings.calls_without_head,
    })
}

fn scripted_model(stand: &StandIns) -> Option<llm::Config> {
    stand.model().map(|model| llm::Config::new(&model.url(), stand.token().clone(), MODEL))
}

/// One factory a folder: the twin's state has one writer.
fn lock(folder: &Path) -> anyhow::Result<File> {
    std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    let file = File::create(folder.join("lock")).context("make the folder's lock")?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => {
            bail!("another aspora works in {}; stop it, or name another folder with --data", folder.display())
        }
    }
}
