//! The environment of full runs: the forge, the model and the engine in this process, the workers outside of it.

use std::{sync::Arc, time::Duration};

use aspora::{
    core::{
        requirement::{ProductName, RepoName, Requirement},
        run::State,
    },
    dev::{
        app_permissions,
        github::{APP, InstallOn, Twin, TwinConfig},
        model::{MODEL, ScriptedModel},
    },
    engine::Engine,
    store::{self, Pool, run::StoredRun},
};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use super::{WorkerProcs, product};
use crate::support::{
    openapi::SpecChecker,
    wait::{until, until_or_timeout},
};

/// What the sessions of this database are doing, as JSON.
pub(super) const SESSIONS: &str =
    "select jsonb_agg(jsonb_build_object('pid', pid, 'application', application_name, 'state', state,
                    'since', state_change, 'waits_for', wait_event, 'query', left(query, 120)))
     from pg_stat_activity where datname = current_database()";

/// The lease of a worker. Short, so that another worker soon takes over the job of a killed one.
pub(crate) const LEASE: Duration = Duration::from_millis(700);
/// A run without a new event or attempt for this long hangs. It is measured from the last of them, since a run goes
/// through more crashes on a fast machine than on a slow one, and each costs a lease and a back-off. Attempts are
/// limited, so a run that fails again and again ends too.
const STALL_TIMEOUT: Duration = Duration::from_secs(120);

fn has_ended(stored: &StoredRun) -> bool {
    matches!(stored.run.state, State::Ended { .. })
}

/// Everything around a full run.
pub(crate) struct FaultEnv {
    pub(crate) workers: WorkerProcs,
    pub(crate) twin: Arc<Twin>,
    pub(crate) model: ScriptedModel,
    pub(crate) engine: Engine,
    pub(crate) folder: TempDir,
    spec: Arc<SpecChecker>,
}

impl Drop for FaultEnv {
    fn drop(&mut self) {
        self.spec.finish(&self.twin.webhooks().sent());
    }
}

/// A run that was started, and its repository.
#[derive(Debug, Clone)]
pub(crate) struct StartedRun {
    pub(crate) run: Uuid,
    pub(crate) repository: String,
}

impl FaultEnv {
    /// Migrates the database; no worker is started.
    pub(crate) async fn open(database_url: &str) -> Self {
        Self::with_workers_at(database_url, database_url).await
    }

    /// As [`FaultEnv::open`], but the workers reach the database at another URL.
    pub(crate) async fn with_workers_at(database_url: &str, workers_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = Uuid::new_v4().simple().to_string();
        let config = TwinConfig {
            data_dir: folder.path().join("forge"),
            addr: ([127, 0, 0, 1], 0).into(),
            public_url: None,
            webhook: None,
            ci: Some(product::ci()),
        };
        let twin = Arc::new(Twin::start(config).await.unwrap());
        // It outlives every worker, and is never started again.
        twin.forget();
        let app = twin.register_app(APP).unwrap();
        let everywhere = InstallOn::Owner("acme".to_owned());
        twin.install(app.id, &everywhere, &app_permissions().unwrap()).unwrap();
        let spec = tokio::task::block_in_place(|| SpecChecker::new().unwrap());
        twin.observe(spec.observer());
        let key = token.clone().into();
        let model =
            ScriptedModel::start(([127, 0, 0, 1], 0).into(), product::script(), Some(key)).await.unwrap();
        let environment = vec![
            ("DATABASE_URL", workers_url.to_owned()),
            ("GITHUB_APP_ID", app.id.to_string()),
            ("GITHUB_APP_PRIVATE_KEY", app.private_key_pem.replace('\n', "\\n")),
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
            ("RUST_LOG", "info,aspora::worker=debug,aspora::queue=debug".to_owned()),
        ];
        let workers = WorkerProcs::new(&["worker"], environment, folder.path());
        let pool = store::connect(database_url, 6).await.unwrap();
        store::migrate(&pool).await.unwrap();
        let engine = Engine::open(pool).await.unwrap();
        Self { workers, twin, model, engine, folder, spec }
    }

    pub(crate) fn pool(&self) -> &Pool {
        self.engine.pool()
    }

    /// Registers a product of this name with a repository of its own and starts a run on it.
    pub(crate) async fn start_run(&self, name: &str) -> StartedRun {
        self.try_start_run(name).await.unwrap()
    }

    /// As [`FaultEnv::start_run`]. After a failure the name cannot be used again, as the run may have been stored.
    pub(crate) async fn try_start_run(&self, name: &str) -> anyhow::Result<StartedRun> {
        self.try_start_under(name, &product::policy(name)).await
    }

    /// As [`FaultEnv::start_run`], under another policy.
    pub(crate) async fn start_run_under(&self, name: &str, policy: &str) -> StartedRun {
        self.try_start_under(name, policy).await.unwrap()
    }

    async fn try_start_under(&self, name: &str, policy: &str) -> anyhow::Result<StartedRun> {
        let repository = format!("acme/{name}");
        let files: [(&str, &[u8]); 2] =
            [(".aspora/risk-policy.json", policy.as_bytes()), ("README.md", b"Amounts.\n")];
        self.twin.create_repository(&repository, &files).await.unwrap();
        let (product, repo): (ProductName, RepoName) = (name.parse().unwrap(), repository.parse().unwrap());
        store::product::put(self.pool(), &product, &repo, "main", &[]).await?;
        let requirement = Requirement::new(name, "Mean of amounts", "The mean of some amounts.", 3).unwrap();
        let accepted = self.engine.accept(&requirement, "tester").await?;
        Ok(StartedRun { run: accepted.run, repository })
    }

    /// The stored run; retries while the database is away.
    pub(crate) async fn read(&self, run: Uuid) -> StoredRun {
        until("the database answers", async || store::run::get(self.pool(), run).await.ok()).await.unwrap()
    }

    /// Waits until the run has ended; prints everything about it when it hangs.
    pub(crate) async fn wait_for_end(&self, started: &StartedRun) -> StoredRun {
        self.wait_for(started, has_ended).await
    }

    /// As [`FaultEnv::wait_for_end`], but a worker that dies is replaced.
    pub(crate) async fn keep_a_worker_to_the_end(&self, started: &StartedRun) -> StoredRun {
        let has_ended = |stored: &StoredRun| {
            self.workers.top_up(1);
            has_ended(stored)
        };
        self.wait_for(started, has_ended).await
    }

    /// Waits until the run is paused; prints everything about it when it hangs.
    pub(crate) async fn wait_for_halt(&self, started: &StartedRun) -> StoredRun {
        self.wait_for(started, |stored| matches!(stored.run.state, State::Paused(_))).await
    }

    async fn wait_for(&self, started: &StartedRun, is_there: impl Fn(&StoredRun) -> bool) -> StoredRun {
        let mut seen = (0, 0);
        loop {
            let moved = until_or_timeout(STALL_TIMEOUT, async || {
                Some(self.progress(started).await)
                    .filter(|(stored, progress)| is_there(stored) || *progress != seen)
            });
            match moved.await {
                Some((stored, _)) if is_there(&stored) => return stored,
                Some((_, progress)) => seen = progress,
                None => break,
            }
        }
        self.dump(started).await;
        panic!("the run has stood still for {STALL_TIMEOUT:?}: {:?}", self.read(started.run).await.run);
    }

    /// The stored run, and how many events and attempts it has.
    async fn progress(&self, started: &StartedRun) -> (StoredRun, (i32, usize)) {
        let attempts = until("the database answers", async || {
            store::attempt::of_run(self.pool(), started.run).await.ok().map(|attempts| attempts.len())
        });
        let (stored, attempts) = (self.read(started.run).await, attempts.await);
        let version = stored.version;
        (stored, (version, attempts))
    }

    /// Waits until the run has an event after `version`.
    pub(crate) async fn wait_for_event(&self, started: &StartedRun, version: i32) -> StoredRun {
        until("the next event", async || {
            Some(self.read(started.run).await).filter(|stored| stored.version > version)
        })
        .await
    }

    /// The run's job, and what the server is doing, as JSON.
    async fn held_up(&self, started: &StartedRun) -> [(&'static str, Value); 2] {
        let job = "select to_jsonb(job) || jsonb_build_object('now', clock_timestamp())
                   from job where run_id = $1::text::uuid";
        let job = sqlx::query_scalar(job).bind(started.run.to_string()).fetch_optional(self.pool()).await;
        let sessions = sqlx::query_scalar(SESSIONS).fetch_optional(self.pool()).await;
        [("job", job), ("sessions", sessions)]
            .map(|(what, row)| (what, row.ok().flatten().unwrap_or_default()))
    }

    /// Prints what is known of a run, for the one who debugs a failed test.
    pub(crate) async fn dump(&self, started: &StartedRun) {
        for log in self.workers.logs() {
            eprintln!("{log}");
        }
        for (what, rows) in self.held_up(started).await {
            eprintln!("{what}: {rows}");
        }
        for event in store::event::after(self.pool(), started.run, 0, 1000).await.unwrap_or_default() {
            eprintln!("{} {} {:?} {:?}", event.seq, event.actor, event.step, event.body.0);
        }
        for attempt in store::attempt::of_run(self.pool(), started.run).await.unwrap_or_default() {
            eprintln!("{attempt:?}");
        }
        for effect in store::effect::of_run(self.pool(), started.run).await.unwrap_or_default() {
            let (key, is_done) = (&effect.key, effect.result.is_some());
            eprintln!("effect {key}, attempts: {}, done: {is_done}", effect.attempts);
        }
        for entry in self.twin.ledger().iter().filter(|entry| entry.path.contains(&started.repository)) {
            eprintln!("{entry:?}");
        }
    }
}
