//! Server, worker and stand-ins in one process and one directory, for `aspora dev` and `aspora demo`.

use std::{
    fs::{File, TryLockError},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use backon::{ConstantBuilder, Retryable as _};
use futures::future::{join_all, select_all};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    app::{App, GitHub, process_name},
    keyring,
    settings::Settings,
};
use crate::{
    activities::Polling,
    core::{
        access::{Key, PersonName, Role},
        requirement::{ProductName, RepoName},
    },
    dev::{Acting, Given, Needs, Person, StandIns, model::MODEL, unittest},
    engine::{
        Engine,
        people::{self, NewKey},
    },
    github::{AppKey, Credential},
    llm,
    store::{Pool, product},
    workspace::{Sandbox, Unavailable},
};

/// How often a waiting run polls the GitHub twin: it is local, so polling is cheap.
const TWIN_POLL: Duration = Duration::from_secs(2);
/// The holder of the key of the twin's CI.
const CI: &str = "ci";
/// How often, and for how long, the lock of the directory is tried: three seconds in all.
const LOCK_WAIT: ConstantBuilder =
    ConstantBuilder::new().with_delay(Duration::from_millis(50)).with_max_times(60);

/// A running server and worker with their stand-ins.
pub struct DevServer {
    /// URL under which people reach the server.
    pub url: String,
    /// The engine.
    pub engine: Engine,
    /// Stand-ins for the parts that the environment does not configure.
    pub stand_ins: StandIns,
    /// The key of this machine's one person.
    pub key: Key,
    /// The sandbox for the products' tests.
    pub sandbox: Result<Sandbox, Unavailable>,
    pub(super) app: App,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
    _lock: File,
}

impl DevServer {
    /// Starts in `folder`, acting like this at the twin, which listens at a port (0: any), and continues what an earlier server there left.
    ///
    /// # Errors
    /// When the directory or the address is in use, or a part cannot start.
    pub async fn open(
        settings: &Settings,
        folder: &Path,
        listen: SocketAddr,
        (acting, forge_port): (Acting, u16),
        (sandbox, stop): (Result<Sandbox, Unavailable>, CancellationToken),
    ) -> anyhow::Result<Self> {
        let lock = lock(folder, LOCK_WAIT).await?;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("listen on {listen}; choose another port with --port"))?;
        let local = format!("http://{}", listener.local_addr()?);
        let url = settings.public_url.clone().unwrap_or_else(|| local.clone());
        let needs = Needs {
            database: settings.database_url.is_none(),
            forge: settings.github.is_none().then_some(forge_port),
            model: settings.model.is_none(),
        };
        let webhooks = format!("{local}/api/v1/webhooks/github");
        let stand_ins = StandIns::start(folder, needs, webhooks, sandbox.clone()).await?;
        // The credential is for a repository, so that has to be there first.
        stand_ins.wealth().await?;
        let mut app = app(settings, &stand_ins, folder, url.clone(), acting)?;
        let engine = app.engine().await?;
        let key = local_key(engine.pool(), folder).await?;
        app.local_key = Some(key.clone());
        if stand_ins.twin().is_some() {
            let key = ci_key(engine.pool(), folder).await?;
            stand_ins.evidence().open(local, key.reveal().to_owned().into());
        }
        app.report(Some(engine.pool().clone()), stop.clone()).await?;
        let tasks = vec![
            tokio::spawn({
                let (app, engine, stop) = (app.clone(), engine.clone(), stop.clone());
                async move { app.serve(engine, listener, stop).await }
            }),
            tokio::spawn({
                let (app, engine, stop) = (app.clone(), engine.clone(), stop.clone());
                let sandbox = sandbox.clone();
                async move { app.work(engine, process_name(), sandbox, stop).await }
            }),
        ];
        Ok(Self { url, engine, key, stand_ins, sandbox, app, stop, tasks, _lock: lock })
    }

    /// Adds the embedded product, if the forge is the twin.
    ///
    /// # Errors
    /// When the twin or the database refuses it.
    pub async fn add_wealth(&self) -> anyhow::Result<()> {
        if self.stand_ins.twin().is_some() {
            let (name, repository) = self.stand_ins.wealth().await?;
            self.add(&name, &repository, "main", &unittest()).await?;
        }
        Ok(())
    }

    /// Adds a product, unless there is one of this name: what people set for it stays.
    pub(super) async fn add(
        &self,
        name: &ProductName,
        repository: &RepoName,
        branch: &str,
        tests: &[String],
    ) -> anyhow::Result<()> {
        let pool = self.engine.pool();
        if product::get(pool, name.as_str()).await?.is_none() {
            product::put(pool, name, repository, branch, tests).await?;
        }
        Ok(())
    }

    /// Which parts are stand-ins, as a sentence.
    #[must_use]
    pub fn describe_parts(&self) -> String {
        let model = self.app.model.as_ref().map_or("none", |model| &model.base_url);
        let part = |stand_in, what: &str, real: &str| match stand_in {
            true => format!("{what}: a stand-in on this machine"),
            false => format!("{what}: {real}"),
        };
        [
            part(self.stand_ins.database_url().is_some(), "database", "DATABASE_URL"),
            part(self.app.forge_is_stand_in, "GitHub", &self.app.forge.url),
            part(self.app.model_is_stand_in, "model", model),
        ]
        .join("; ")
    }

    /// Who we are at GitHub, as a sentence; the repository is that of the first product.
    ///
    /// # Errors
    /// When GitHub does not accept the credential, or the database fails.
    pub async fn describe_credential(&self) -> anyhow::Result<String> {
        let products = product::list(self.engine.pool()).await?;
        let Some(product) = products.first() else { return Ok("GitHub: no product yet".to_owned()) };
        let who = self.app.client()?.introduce(&product.repository.parse()?).await?;
        Ok(format!("GitHub: {who}"))
    }

    /// How to act as a person of the GitHub twin, a line each; `None` if it does not run.
    ///
    /// # Errors
    /// When the passwords of the people cannot be kept.
    pub fn describe_people(&self) -> anyhow::Result<Option<String>> {
        let Some(twin) = self.stand_ins.twin() else { return Ok(None) };
        let lines = self.stand_ins.people()?.into_iter().map(|person| {
            let Person { login, permission, password } = person;
            format!("\n  {login:<6} {permission:<6} {password}")
        });
        let lines: String = lines.collect();
        Ok(Some(format!("People of the GitHub twin, to sign in at {}/login and to push:{lines}", twin.url())))
    }

    /// Waits until a part ends or `stop` is cancelled, then for all parts.
    ///
    /// # Errors
    /// The error that ended a part.
    pub async fn run(self) -> anyhow::Result<()> {
        let (ended, _, rest) = select_all(self.tasks).await;
        // Neither the server nor the worker is of use without the other.
        self.stop.cancel();
        let mut all = vec![ended];
        all.extend(join_all(rest).await);
        self.engine.pool().close().await;
        all.into_iter().try_for_each(|ended| ended.context("the server or the worker panicked")?)
    }

    /// Shuts down: running jobs are returned to the queue.
    ///
    /// # Errors
    /// As [`DevServer::run`].
    pub async fn close(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.run().await
    }
}

/// The configuration from the environment, with stand-ins for the parts that it does not configure.
fn app(
    settings: &Settings,
    stand_ins: &StandIns,
    folder: &Path,
    url: String,
    acting: Acting,
) -> anyhow::Result<App> {
    let database_url = stand_ins.database_url().or_else(|| settings.database_url.clone());
    let (forge, polling) = match (stand_ins.twin(), &settings.github) {
        (Some(twin), _) => {
            let credential = credential(stand_ins.give(acting)?)?;
            let forge = GitHub { api_url: twin.url().parse()?, url: twin.url(), credential };
            (forge, Polling::at_least(TWIN_POLL))
        }
        (None, Some(github)) => (github.clone(), settings.polling),
        (None, None) => bail!("neither GitHub nor its twin is configured"),
    };
    let mut webhook_secrets = settings.webhook_secrets.clone();
    if stand_ins.twin().is_some() {
        webhook_secrets.push(stand_ins.webhook_secret().clone());
    }
    Ok(App {
        database_url: database_url.context("no database is configured")?,
        public_url: url,
        mirrors: folder.join("mirrors"),
        forge,
        forge_is_stand_in: stand_ins.twin().is_some(),
        hosts: settings.hosts.clone(),
        local_key: None,
        oidc: settings.oidc.clone(),
        webhook_secrets,
        incident_senders: settings.incident_senders.clone(),
        model_is_stand_in: settings.model.is_none(),
        model: settings.model.clone().or_else(|| scripted_model(stand_ins)),
        timing: settings.timing,
        polling,
        drain: settings.drain,
        longest_outage: settings.longest_outage,
        calls_without_head: settings.calls_without_head,
        smtp: settings.smtp.clone(),
        // What runs beside it on this machine has private addresses.
        notify_private: true,
        reviewer_keys: settings.reviewer_keys.clone(),
        metrics: Arc::default(),
        metrics_listen: settings.metrics_listen,
    })
}

/// The admin key of this machine's one person.
async fn local_key(pool: &Pool, folder: &Path) -> anyhow::Result<Key> {
    let user = std::env::var("USER").ok().and_then(|name| name.parse::<PersonName>().ok());
    let person = user.map_or_else(|| "developer".parse(), Ok)?;
    key_in(&folder.join("key"), pool, person, Role::Admin).await.context("issue the key of this machine")
}

/// The key by which the twin's CI sends evidence.
async fn ci_key(pool: &Pool, folder: &Path) -> anyhow::Result<Key> {
    let key = key_in(&folder.join("ci-key"), pool, CI.parse()?, Role::Agent).await;
    key.context("issue the key of the twin's CI")
}

/// The key in a file that an earlier server made, otherwise a new one. The file is for this user alone.
async fn key_in(file: &Path, pool: &Pool, person: PersonName, role: Role) -> anyhow::Result<Key> {
    let former = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<Key>().ok());
    if let Some(key) = former
        && people::authenticate(pool, &key).await?.is_ok_and(|who| who.role == role)
    {
        return Ok(key);
    }
    let new = NewKey {
        person,
        forge_login: None,
        role,
        products: None,
        expires_at: None,
        requests_per_minute: None,
    };
    let key = people::issue(pool, &new, "database").await?.key;
    keyring::write(file, key.reveal())?;
    Ok(key)
}

/// A credential that the twin gave, as the client takes it.
///
/// # Errors
/// When the twin's key cannot be used.
pub fn credential(given: Given) -> anyhow::Result<Credential> {
    Ok(match given {
        Given::App { id, key } => Credential::App(AppKey::new(&id, &key)?),
        Given::Token(token) => Credential::Token(token),
    })
}

fn scripted_model(stand_ins: &StandIns) -> Option<llm::Config> {
    stand_ins.model().map(|model| llm::Config::new(&model.url(), stand_ins.token().clone(), MODEL))
}

/// Locks the directory, because the twin's state has one writer. A process that was just killed holds its lock until it
/// is gone, so a start right after it waits.
async fn lock(folder: &Path, wait: ConstantBuilder) -> anyhow::Result<File> {
    std::fs::create_dir_all(folder).with_context(|| format!("create directory {}", folder.display()))?;
    let file = File::create(folder.join("lock")).context("create the lock file")?;
    let attempt = async || file.try_lock();
    match attempt.retry(wait).await {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another aspora is running in {}; stop it, or choose another directory with --data",
                folder.display()
            )
        }
        Err(TryLockError::Error(error)) => Err(error).context("lock the directory"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_start_waits_for_a_server_that_is_about_to_be_gone_but_not_for_one_that_stays() {
        let folder = tempfile::tempdir().unwrap();
        let wait = ConstantBuilder::new().with_delay(Duration::ZERO);
        let former = lock(folder.path(), wait).await.unwrap();
        let refused = lock(folder.path(), wait.with_max_times(2)).await.unwrap_err();
        assert!(refused.to_string().starts_with("another aspora is running in"), "{refused}");
        let next = lock(folder.path(), wait.with_max_times(1_000));
        let (next, ()) = tokio::join!(next, async { drop(former) });
        next.unwrap();
    }
}
