//! Runs under test: an engine over a database of its own, a clock that is moved by hand, and the invariants.

use std::{sync::Arc, time::Duration};

use aspora::{
    core::{
        requirement::Requirement,
        run::{Progress, Run, Topic},
        workflow::{Outcome, Queue, Workflow},
    },
    engine::{Answer, Engine},
    http::{App, Settings},
    store::{
        self, event, invariant,
        job::{self, ClaimRequest, Lease},
        run::StoredRun,
        signal::News,
    },
};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use super::{TestDatabase, database};

const REPOSITORY: &str = "acme/wealth-product";
const SHIPPED: &str = include_str!("../../workflows/requirement.toml");
/// Lets $1 seconds pass for the limits that workers share.
pub(crate) const RATES: &str = "update rate
    set refilled_at = refilled_at - make_interval(secs => $1), full_at = full_at - make_interval(secs => $1),
        closed_until = closed_until - make_interval(secs => $1)";
/// How long `eventually` looks; a busy machine is slow, and a truth that never comes is rare.
const PATIENCE: Duration = Duration::from_secs(60);

/// An engine over a fresh database that knows the product `wealth`.
pub(crate) struct Ground {
    pub(crate) engine: Engine,
    pub(crate) database: TestDatabase,
}

impl Ground {
    /// How long the leases of `claim` hold.
    pub(crate) const LEASE: Duration = Duration::from_secs(30);

    pub(crate) async fn new() -> Self {
        let database = database().await;
        let engine = engine(database.pool.clone()).await;
        Self { engine, database }
    }

    pub(crate) const fn pool(&self) -> &PgPool {
        &self.database.pool
    }

    /// A requirement's run, at its first step.
    pub(crate) async fn accept(&self) -> Uuid {
        accept(&self.engine, 3).await
    }

    /// Claims the one job that is due in `queue`.
    pub(crate) async fn claim(&self, queue: Queue) -> Lease {
        let mut leases = self.claim_all(queue, 10).await;
        assert_eq!(leases.len(), 1, "{leases:?}");
        leases.remove(0)
    }

    pub(crate) async fn claim_all(&self, queue: Queue, limit: usize) -> Vec<Lease> {
        claim(self.pool(), queue, "tester", limit, Self::LEASE).await
    }

    pub(crate) async fn run(&self, id: Uuid) -> StoredRun {
        store::run::get(self.pool(), id).await.unwrap().unwrap()
    }

    /// The kinds of the events of a run.
    pub(crate) async fn kinds(&self, id: Uuid) -> Vec<String> {
        event::after(self.pool(), id, 0, 1000).await.unwrap().into_iter().map(|row| row.kind).collect()
    }

    /// The one value that `sql` asks for.
    pub(crate) async fn ask<T>(&self, sql: &str) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let asked = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(self.pool()).await;
        asked.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(self.pool()).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Every row of the tables that a move may touch; two pictures are equal if nothing happened in between.
    pub(crate) async fn picture(&self) -> String {
        let mut picture = String::new();
        for table in ["run", "event", "job", "attempt", "timer", "signal", "dead_letter", "effect"] {
            let rows =
                format!("select coalesce(string_agg(t::text, chr(10) order by t::text), '') from {table} t");
            picture += &format!("{table}:\n{}\n", self.ask::<String>(&rows).await);
        }
        picture
    }

    /// Lets a run follow another graph: the shipped one with `from` replaced by `to` everywhere.
    pub(crate) async fn follow(&self, id: Uuid, from: &str, to: &str) {
        assert!(SHIPPED.contains(from), "{from} is not in the workflow");
        let source = SHIPPED.replace(from, to);
        let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&source));
        store::workflow::keep(self.pool(), &hash, "other", &source).await.unwrap();
        self.execute(&format!("update run set workflow_hash = '{hash}' where id = '{id}'")).await;
    }
}

/// The REST interface over an engine, beside stand-ins; no forge knows its secret.
pub(crate) fn app(engine: Engine) -> App {
    let settings = Settings {
        public_url: "http://aspora.test".to_owned(),
        forge_url: "https://forge.test".to_owned(),
        webhook_secrets: Vec::new(),
        forge_is_stand_in: true,
        model_is_stand_in: true,
    };
    App { engine, settings: Arc::new(settings) }
}

/// Claims due jobs of `queue`, whatever keys they have.
pub(crate) async fn claim(
    pool: &PgPool,
    queue: Queue,
    worker: &str,
    limit: usize,
    lease: Duration,
) -> Vec<Lease> {
    let terms = ClaimRequest { worker, lease, suspects: true, guarded: true };
    let taken = job::claim(&mut pool.acquire().await.unwrap(), &[(queue, limit)], terms).await.unwrap();
    taken.claims.into_iter().map(|claim| claim.lease).collect()
}

/// An engine over a database that knows the product `wealth`.
pub(crate) async fn engine(pool: PgPool) -> Engine {
    let (name, repository) = ("wealth".parse().unwrap(), REPOSITORY.parse().unwrap());
    store::product::put(&pool, &name, &repository, "main", &[]).await.unwrap();
    Engine::open(pool).await.unwrap()
}

pub(crate) async fn accept(engine: &Engine, priority: u8) -> Uuid {
    let requirement = Requirement::new("wealth", "Add a risk checker", "For portfolios.", priority).unwrap();
    engine.accept(&requirement, "pm@acme").await.unwrap().run
}

pub(crate) fn answer(outcome: Outcome) -> Answer {
    Answer { outcome, note: outcome.to_string(), progress: Progress::default() }
}

/// News of a topic for a run, by its branch.
pub(crate) fn news(run: Uuid, topic: Topic, delivery: &str) -> News {
    News {
        delivery: delivery.to_owned(),
        topic,
        repository: REPOSITORY.to_owned(),
        branch: Some(format!("aspora/wealth/{run}")),
        pull: None,
        sha: None,
    }
}

/// Lets time pass for leases, waits and timers.
pub(crate) async fn advance(pool: &PgPool, by: Duration) {
    for sql in [
        "update job set visible_at = visible_at - make_interval(secs => $1)",
        "update timer set due_at = due_at - make_interval(secs => $1)",
        RATES,
    ] {
        sqlx::query(sql).bind(by.as_secs_f64()).execute(pool).await.unwrap();
    }
}

/// Lets time pass for what nobody holds: waits after failures, and timers.
pub(crate) async fn skip_waits(pool: &PgPool) {
    for sql in [
        "update job set visible_at = now() where lease_token is null and visible_at > now()",
        "update timer set due_at = now()",
        "update rate set closed_until = null",
    ] {
        sqlx::query(sql).execute(pool).await.unwrap();
    }
}

/// Looks until `probe` is true.
pub(crate) async fn eventually(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !probe().await {
        assert!(tokio::time::Instant::now() < deadline, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The history has no gap, and folding it gives exactly the run that is stored.
pub(crate) async fn assert_folds(engine: &Engine, id: Uuid) {
    let stored = store::run::get(engine.pool(), id).await.unwrap().unwrap();
    let events = event::after(engine.pool(), id, 0, 100_000).await.unwrap();
    let seqs: Vec<i32> = events.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, (1..=stored.version).collect::<Vec<_>>(), "the history of {id} has gaps");
    let workflow = match engine.workflow(&stored.spec.workflow_hash).await {
        Ok(workflow) => workflow,
        // A run that was stranded began with a graph that could be read.
        Err(_) => Arc::new(Workflow::parse(SHIPPED).unwrap()),
    };
    let mut run = Run::begin(&workflow, &events[0].body.0, events[0].at).unwrap().0;
    for row in &events[1..] {
        assert_eq!(row.step.as_deref(), run.step(), "event {} of {id}", row.seq);
        run = run.apply(&workflow, &row.body.0, row.at).unwrap().0;
    }
    assert_eq!(run, stored.run, "folding the history of {id} gives another run");
}

/// What must hold of all runs at every moment, and the history of each.
pub(crate) async fn assert_sound(engine: &Engine) {
    let mut line = engine.pool().acquire().await.unwrap();
    for verdict in invariant::check(&mut line, 5).await.unwrap() {
        // A test moves the clock, and then nobody has come yet.
        let is_of_clock = ["leases", "timers", "idle-transactions"].contains(&verdict.name);
        assert!(is_of_clock || verdict.count == 0, "{verdict:?}");
    }
    drop(line);
    let all: Vec<Uuid> = sqlx::query_scalar("select id from run").fetch_all(engine.pool()).await.unwrap();
    for id in all {
        assert_folds(engine, id).await;
    }
}

/// The running totals of budgets are the sums of what was reserved and settled.
pub(crate) async fn assert_budgets_add_up(pool: &PgPool) {
    let all = invariant::check(&mut pool.acquire().await.unwrap(), 5).await.unwrap();
    let money = all.into_iter().find(|verdict| verdict.name == "money").unwrap();
    assert_eq!(money.count, 0, "{money:?}");
}
