//! Runs whose steps only take a moment, done by `aspora bench-worker` without a forge or a model. They take the place
//! of full runs where many are needed.

use std::{collections::BTreeSet, fmt::Write as _, path::Path, time::Duration};

use aspora::{
    bench::bulk,
    core::{requirement::Requirement, workflow::Workflow},
    engine::Engine,
    store::{self, Pool},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{WorkerProcs, fault_env::SESSIONS};
use crate::support::wait::until_or_timeout;

const PRODUCT: &str = "stub";

/// The stub runs of one database.
pub(crate) struct StubRuns {
    engine: Engine,
    workflow: Workflow,
    steps: usize,
    /// Every run that was accepted.
    pub(crate) accepted: BTreeSet<Uuid>,
}

/// So long may no run end before a wait is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many stub runs are in which state.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Accepted, but not in the database.
    pub(crate) lost: usize,
    /// Succeeded with another number of answers than steps.
    pub(crate) uneven: usize,
    /// Not ended.
    pub(crate) unfinished: usize,
    /// Ended because a step used up its attempts.
    pub(crate) given_up: usize,
    /// Answered steps.
    pub(crate) steps: i64,
}

impl StubRuns {
    /// Migrates the database and registers a workflow of `steps` steps.
    pub(crate) async fn open(url: &str, steps: usize) -> Self {
        let pool = store::connect(url, 4).await.unwrap();
        store::migrate(&pool).await.unwrap();
        let text = graph(steps);
        let workflow = Workflow::parse(&text).unwrap();
        store::workflow::keep(&pool, &workflow.hash, &workflow.name, &text).await.unwrap();
        let (product, repository) = (PRODUCT.parse().unwrap(), "acme/stub".parse().unwrap());
        store::product::put(&pool, &product, &repository, "main", &[]).await.unwrap();
        Self { engine: Engine::open(pool).await.unwrap(), workflow, steps, accepted: BTreeSet::new() }
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Starts `count` runs at once.
    pub(crate) async fn start(&mut self, count: usize) -> Vec<Uuid> {
        let accepted = bulk::accept(&self.engine, &self.workflow, &requirement(), count).await.unwrap();
        self.accepted.extend(&accepted);
        accepted
    }

    /// Keeps `count` runs open until cancelled; retries while the database is away.
    pub(crate) async fn keep_open(&mut self, count: usize, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if let Ok(open) = open_runs(self.engine.pool()).await
                && open < count
                && let Ok(accepted) =
                    bulk::accept(&self.engine, &self.workflow, &requirement(), count - open).await
            {
                self.accepted.extend(accepted);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many steps were answered so far; `None` while the database is away.
    pub(crate) async fn steps(pool: &Pool) -> Option<i64> {
        sqlx::query_scalar("select count(*) from event where kind = 'answered'").fetch_one(pool).await.ok()
    }

    /// Waits until every run has ended; `at_each_look` is called before each look. A busy machine may take its time,
    /// so that only a standstill counts.
    ///
    /// # Panics
    /// When no run has ended for two minutes; prints the workers' logs, how far the jobs are, and what the server does.
    pub(crate) async fn wait_for_all(&self, workers: &WorkerProcs, mut at_each_look: impl FnMut()) {
        let pool = self.engine.pool();
        let mut open = usize::MAX;
        while open > 0 {
            let fewer = until_or_timeout(PATIENCE, || {
                at_each_look();
                // A database that is away answers later.
                async move { open_runs(pool).await.ok().filter(|now| *now < open) }
            });
            let Some(now) = fewer.await else {
                self.dump(workers).await;
                panic!("{open} runs have not ended, and none did for {PATIENCE:?}");
            };
            open = now;
        }
    }

    async fn dump(&self, workers: &WorkerProcs) {
        workers.logs().iter().for_each(|log| eprintln!("{log}"));
        let jobs = "select jsonb_agg(to_jsonb(it)) from
                    (select count(*), attempts, lost, lease_token is not null as is_held, visible_at > now() as is_early
                     from job group by 2, 3, 4, 5) it";
        for (what, query) in [("jobs", jobs), ("sessions", SESSIONS)] {
            let rows = sqlx::query_scalar::<_, Option<Value>>(query).fetch_one(self.engine.pool()).await;
            eprintln!("{what}: {rows:?}");
        }
    }

    /// Counts all runs by their state.
    pub(crate) async fn tally(&self) -> Tally {
        let rows: Vec<(Uuid, String, Option<String>, i64)> = sqlx::query_as(
            "select id, status, ended_as, (select count(*) from event where run_id = id and kind = 'answered')
             from run",
        )
        .fetch_all(self.engine.pool())
        .await
        .unwrap();
        let stored: BTreeSet<Uuid> = rows.iter().map(|row| row.0).collect();
        let mut tally = Tally { lost: self.accepted.difference(&stored).count(), ..Tally::default() };
        for (_, status, ended_as, answered) in rows {
            tally.steps += answered;
            match (status.as_str(), ended_as.as_deref()) {
                ("ended", Some("succeeded")) => tally.uneven += usize::from(answered != self.steps as i64),
                ("ended", _) => tally.given_up += 1,
                _ => tally.unfinished += 1,
            }
        }
        tally
    }
}

/// Worker processes for stub runs; `args` are more arguments of `aspora bench-worker`.
pub(crate) fn stub_workers(url: &str, lease: Duration, args: &[&str], folder: &Path) -> WorkerProcs {
    let lease = lease.as_millis().to_string();
    let args = [&["bench-worker", "--lease-ms", &lease], args].concat();
    WorkerProcs::new(&args, vec![("DATABASE_URL", url.to_owned())], folder)
}

pub(crate) async fn open_runs(pool: &Pool) -> store::Result<usize> {
    let open: i64 =
        sqlx::query_scalar("select count(*) from run where status <> 'ended'").fetch_one(pool).await?;
    Ok(usize::try_from(open).unwrap_or_default())
}

fn requirement() -> Requirement {
    Requirement::new(PRODUCT, "Take a moment", "And another one.", 3).unwrap()
}

fn graph(steps: usize) -> String {
    let mut text = "name = \"stub\"\nstart = \"a\"\nexhausted = \"stopped\"\n".to_owned();
    let names: Vec<char> = ('a'..='z').take(steps).collect();
    for (index, name) in names.iter().enumerate() {
        let next = names.get(index + 1).map_or("done".to_owned(), char::to_string);
        let queue = ["default", "llm", "github"][index % 3];
        let _ = write!(
            text,
            "[step.{name}]\nrun = \"review\"\nqueue = \"{queue}\"\n\
             on = {{ clean = \"{next}\", findings = \"stopped\", moved = \"stopped\" }}\n"
        );
    }
    text + "[end]\ndone = \"succeeded\"\nstopped = \"blocked\"\n"
}
