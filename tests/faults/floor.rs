//! A factory floor for one test: the forge, the model and the engine here, the workers outside.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{sync::Arc, time::Duration};

use aspora::{
    core::{
        requirement::{ProductName, RepoName, Requirement},
        run::State,
    },
    dev::{
        github::{Twin, TwinConfig},
        model::{MODEL, ScriptedModel},
        postgres::Cluster,
    },
    engine::Engine,
    store::{self, Pool, run::StoredRun},
};
use tempfile::TempDir;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{crew::Crew, product, support::openapi::Judge};

/// How long a worker's claim holds. Short, so that a killed worker's job is soon somebody else's.
pub(crate) const LEASE: Duration = Duration::from_millis(700);
/// A run that is not over by then hangs.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(20);

/// Everything around a run.
pub(crate) struct Floor {
    pub(crate) crew: Crew,
    pub(crate) twin: Arc<Twin>,
    pub(crate) model: ScriptedModel,
    pub(crate) engine: Engine,
    pub(crate) folder: TempDir,
    judge: Arc<Judge>,
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.judge.close();
    }
}

/// A Postgres of a test's own: killed and sleeping workers keep many connections for a while. Clones are the
/// same one.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) cluster: Arc<Cluster>,
    _folder: Arc<TempDir>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("aspora-").tempdir().unwrap();
        let cluster = tokio::task::block_in_place(|| Cluster::start(folder.path()).unwrap());
        Self { cluster: Arc::new(cluster), _folder: Arc::new(folder) }
    }

    /// A floor over a database of this name.
    pub(crate) async fn floor(&self, name: &str) -> Floor {
        tokio::task::block_in_place(|| self.cluster.create_database(name).unwrap());
        Floor::open(&self.cluster.url(name)).await
    }
}

/// A run and what it is about.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) run: Uuid,
    pub(crate) repository: String,
}

impl Floor {
    /// A floor over a database, empty or migrated; nobody works yet.
    pub(crate) async fn open(database_url: &str) -> Self {
        Self::with_workers_at(database_url, database_url).await
    }

    /// A floor whose workers reach the database by another way.
    pub(crate) async fn with_workers_at(database_url: &str, workers_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = Uuid::new_v4().simple().to_string();
        let config = TwinConfig {
            data_dir: folder.path().join("forge"),
            addr: ([127, 0, 0, 1], 0).into(),
            public_url: None,
            token: token.clone(),
            webhook: None,
            ci: Some(product::ci()),
        };
        let twin = Arc::new(Twin::start(config).await.unwrap());
        let judge = tokio::task::block_in_place(|| Judge::new().unwrap());
        twin.observe(judge.observer());
        let key = token.clone().into();
        let model =
            ScriptedModel::start(([127, 0, 0, 1], 0).into(), product::script(), Some(key)).await.unwrap();
        let environment = vec![
            ("DATABASE_URL", workers_url.to_owned()),
            ("GITHUB_TOKEN", token.clone()),
            ("GITHUB_API_URL", twin.url()),
            ("GITHUB_URL", twin.url()),
            ("OPENAI_API_KEY", token),
            ("OPENAI_BASE_URL", model.url()),
            ("ASPORA_MODEL", MODEL.to_owned()),
            ("ASPORA_DATA", folder.path().join("data").display().to_string()),
            ("ASPORA_PUBLIC_URL", "http://127.0.0.1:9".to_owned()),
            ("ASPORA_LEASE_MS", LEASE.as_millis().to_string()),
            ("ASPORA_POLL_MS", "50".to_owned()),
            ("ASPORA_LOOK_MS", "100".to_owned()),
        ];
        let crew = Crew::new(environment, folder.path());
        let pool = store::connect(database_url, 6).await.unwrap();
        store::migrate(&pool).await.unwrap();
        let engine = Engine::open(pool).await.unwrap();
        Self { crew, twin, model, engine, folder, judge }
    }

    pub(crate) fn pool(&self) -> &Pool {
        self.engine.pool()
    }

    /// As [`Floor::begin`]; `None` if the database is away. The name is then used up.
    pub(crate) async fn try_begin(&self, name: &str) -> Option<Begun> {
        let (repository, policy) = (format!("acme/{name}"), product::policy(name));
        let files: [(&str, &[u8]); 2] =
            [(".aspora/risk-policy.json", policy.as_bytes()), ("README.md", b"Amounts.\n")];
        self.twin.create_repository(&repository, &files).await.unwrap();
        let (product, repo): (ProductName, RepoName) = (name.parse().unwrap(), repository.parse().unwrap());
        store::product::put(self.pool(), &product, &repo, "main", &[]).await.ok()?;
        let requirement = Requirement::new(name, "Mean of amounts", "The mean of some amounts.", 3).unwrap();
        let accepted = self.engine.accept(&requirement, "tester").await.ok()?;
        Some(Begun { run: accepted.run, repository })
    }

    /// Registers a product of this name with a repository of its own and begins a run on it.
    pub(crate) async fn begin(&self, name: &str) -> Begun {
        let repository = format!("acme/{name}");
        let policy = product::policy(name);
        let files: [(&str, &[u8]); 2] =
            [(".aspora/risk-policy.json", policy.as_bytes()), ("README.md", b"Amounts.\n")];
        self.twin.create_repository(&repository, &files).await.unwrap();
        let (product, repo): (ProductName, RepoName) = (name.parse().unwrap(), repository.parse().unwrap());
        store::product::put(self.pool(), &product, &repo, "main", &[]).await.unwrap();
        let requirement = Requirement::new(name, "Mean of amounts", "The mean of some amounts.", 3).unwrap();
        let accepted = self.engine.accept(&requirement, "tester").await.unwrap();
        Begun { run: accepted.run, repository }
    }

    /// The run as it stands; a database that is down is asked again.
    pub(crate) async fn look(&self, run: Uuid) -> StoredRun {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match store::run::get(self.pool(), run).await {
                Ok(stored) => return stored.unwrap(),
                Err(error) => assert!(Instant::now() < deadline, "the database is gone: {error}"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the run is over.
    pub(crate) async fn ended(&self, begun: &Begun) -> StoredRun {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stored = self.look(begun.run).await;
            if matches!(stored.run.state, State::Ended { .. }) {
                return stored;
            }
            if Instant::now() > deadline {
                self.tell(begun).await;
                panic!("the run is not over after {PATIENCE:?}: {:?}", stored.run);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Prints what is known of a run, for whoever must find out what went wrong.
    pub(crate) async fn tell(&self, begun: &Begun) {
        for log in self.crew.logs() {
            eprintln!("{log}");
        }
        for event in store::event::after(self.pool(), begun.run, 0, 1000).await.unwrap_or_default() {
            eprintln!("{} {} {:?} {:?}", event.seq, event.actor, event.step, event.body.0);
        }
        for attempt in store::attempt::of_run(self.pool(), begun.run).await.unwrap_or_default() {
            eprintln!("{attempt:?}");
        }
        for effect in store::effect::of_run(self.pool(), begun.run).await.unwrap_or_default() {
            let (key, result) = (&effect.key, effect.result.is_some());
            eprintln!("effect {key} begun {} times, done: {result}", effect.attempts);
        }
        for entry in self.twin.ledger().iter().filter(|entry| entry.path.contains(&begun.repository)) {
            eprintln!("{entry:?}");
        }
    }
}

/// Does all of them at the same time, each as a task of its own. In one task the start of one's Postgres would
/// be time that passes in the waits of all others, and end them.
pub(crate) async fn side_by_side<F>(all: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let tasks: Vec<_> = all.into_iter().map(tokio::spawn).collect();
    let mut done = Vec::with_capacity(tasks.len());
    for task in tasks {
        done.push(task.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    done
}

/// Waits until something is so; whoever waits in vain says for what.
pub(crate) async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Asks something of the database inside of the twin's hooks, which are no futures.
pub(crate) fn here<T>(ask: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(ask))
}

/// A hook may hold a request for as long as it likes: it has a thread of its own meanwhile.
pub(crate) fn hold_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    tokio::task::block_in_place(|| {
        while !is_so() {
            assert!(std::time::Instant::now() < deadline, "held a request in vain for {what}");
            std::thread::sleep(LOOK);
        }
    });
}
