//! An engine over a database of its own, a clock that the test moves, and assertions that hold for every run.

use std::{sync::Arc, time::Duration};

use aspora::{
    core::{
        requirement::Requirement,
        run::{Progress, Run, Topic},
        workflow::{Outcome, Queue, Workflow},
    },
    engine::{Answer, Engine},
    http::{AppState, Settings},
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
/// Moves the clock of the rate limits that workers share forward by $1 seconds.
const RATES: &str = "update rate
    set refilled_at = refilled_at - make_interval(secs => $1), full_at = full_at - make_interval(secs => $1),
        closed_until = closed_until - make_interval(secs => $1)";

/// Moves the clock of the breakers of providers forward by $1 seconds.
const OUTAGES: &str = "update outage
    set first_failed_at = first_failed_at - make_interval(secs => $1),
        last_failed_at = last_failed_at - make_interval(secs => $1), since = since - make_interval(secs => $1),
        opened_at = opened_at - make_interval(secs => $1), closed_at = closed_at - make_interval(secs => $1),
        next_probe_at = next_probe_at - make_interval(secs => $1),
        probe_until = probe_until - make_interval(secs => $1)";

/// An engine over a fresh database that knows the product `wealth`.
pub(crate) struct TestEngine {
    pub(crate) engine: Engine,
    pub(crate) database: TestDatabase,
}

impl TestEngine {
    /// The duration of the leases of [`TestEngine::claim`].
    pub(crate) const LEASE: Duration = Duration::from_secs(30);

    pub(crate) async fn new() -> Self {
        let database = database().await;
        let engine = engine(database.pool.clone()).await;
        Self { engine, database }
    }

    pub(crate) const fn pool(&self) -> &PgPool {
        &self.database.pool
    }

    /// Accepts a requirement: its run, at the first step.
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
    pub(crate) async fn event_kinds(&self, id: Uuid) -> Vec<String> {
        event::after(self.pool(), id, 0, 1000).await.unwrap().into_iter().map(|row| row.kind).collect()
    }

    /// The single value that `sql` returns.
    pub(crate) async fn query<T>(&self, sql: &str) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let value = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(self.pool()).await;
        value.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(self.pool()).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Every row of the tables that a transition may change; two snapshots are equal if nothing changed in between.
    pub(crate) async fn snapshot(&self) -> String {
        let mut snapshot = String::new();
        for table in ["run", "event", "job", "attempt", "timer", "signal", "dead_letter", "effect"] {
            let rows =
                format!("select coalesce(string_agg(t::text, chr(10) order by t::text), '') from {table} t");
            snapshot += &format!("{table}:\n{}\n", self.query::<String>(&rows).await);
        }
        snapshot
    }

    /// Gives a run another workflow: the shipped one with `from` replaced by `to` everywhere.
    pub(crate) async fn edit_workflow(&self, id: Uuid, from: &str, to: &str) {
        assert!(SHIPPED.contains(from), "{from} is not in the workflow");
        let source = SHIPPED.replace(from, to);
        let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&source));
        store::workflow::keep(self.pool(), &hash, "other", &source).await.unwrap();
        self.execute(&format!("update run set workflow_hash = '{hash}' where id = '{id}'")).await;
    }
}

/// The application state of an HTTP server over an engine, with stand-ins and without a webhook secret.
pub(crate) fn app(engine: Engine) -> AppState {
    let settings = Settings {
        public_url: "http://aspora.test".to_owned(),
        forge_url: "https://forge.test".to_owned(),
        forge_is_stand_in: true,
        model_is_stand_in: true,
        ..Settings::default()
    };
    AppState { engine, settings: Arc::new(settings) }
}

/// Claims due jobs of `queue`, also those with limited keys and those that have lost their workers.
pub(crate) async fn claim(
    pool: &PgPool,
    queue: Queue,
    worker: &str,
    limit: usize,
    lease: Duration,
) -> Vec<Lease> {
    let request = ClaimRequest { worker, lease, suspects: true, guarded: true };
    let batch = job::claim(&mut pool.acquire().await.unwrap(), &[(queue, limit)], request).await.unwrap();
    batch.claims.into_iter().map(|claim| claim.lease).collect()
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

/// A signal about a topic for a run, which its branch identifies.
pub(crate) fn news(run: Uuid, topic: Topic, delivery: &str) -> News {
    News {
        delivery: delivery.to_owned(),
        topic,
        repository: REPOSITORY.to_owned(),
        repository_id: None,
        whole: false,
        branch: Some(format!("aspora/wealth/{run}")),
        pull: None,
        sha: None,
    }
}

/// Moves the clocks of a run's back-off, of rate limits and of breakers forward. A leased job keeps its lease.
pub(crate) async fn advance_waiting_job(pool: &PgPool, run: Uuid, by: Duration) {
    let update = "update job set visible_at = visible_at - $2 * interval '1 second'
                  where run_id = $1 and lease_token is null and visible_at > now()";
    sqlx::query(update).bind(run).bind(by.as_secs_f64()).execute(pool).await.unwrap();
    advance_limits(pool, by).await;
}

/// Moves the clocks of rate limits and breakers forward.
pub(crate) async fn advance_limits(pool: &PgPool, by: Duration) {
    for clock in [RATES, OUTAGES] {
        sqlx::query(clock).bind(by.as_secs_f64()).execute(pool).await.unwrap();
    }
}

/// Moves the clocks of breakers back.
pub(crate) async fn postpone_outages(pool: &PgPool, by: Duration) {
    sqlx::query(OUTAGES).bind(-by.as_secs_f64()).execute(pool).await.unwrap();
}

/// Moves the clock of leases, back-offs, timers, rate limits and breakers forward.
pub(crate) async fn advance(pool: &PgPool, by: Duration) {
    for sql in [
        "update job set visible_at = visible_at - make_interval(secs => $1)",
        "update timer set due_at = due_at - make_interval(secs => $1)",
    ] {
        sqlx::query(sql).bind(by.as_secs_f64()).execute(pool).await.unwrap();
    }
    advance_limits(pool, by).await;
}

/// Makes back-offs, timers and closed rate limits due now; leases stay as they are.
pub(crate) async fn skip_waits(pool: &PgPool) {
    for sql in [
        "update job set visible_at = now() where lease_token is null and visible_at > now()",
        "update timer set due_at = now()",
        "update rate set closed_until = null",
        "update outage set next_probe_at = now() where opened_at is not null",
    ] {
        sqlx::query(sql).execute(pool).await.unwrap();
    }
}

/// Asserts that the history has no gap and that folding it gives exactly the stored run.
pub(crate) async fn assert_folds(engine: &Engine, id: Uuid) {
    let stored = store::run::get(engine.pool(), id).await.unwrap().unwrap();
    let events = event::after(engine.pool(), id, 0, 100_000).await.unwrap();
    let seqs: Vec<i32> = events.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, (1..=stored.version).collect::<Vec<_>>(), "the history of {id} has gaps");
    let workflow = match engine.workflow(&stored.spec.workflow_hash).await {
        Ok(workflow) => workflow,
        // A run that was blocked as unsupported began with a workflow that could be read.
        Err(_) => Arc::new(Workflow::parse(SHIPPED).unwrap()),
    };
    let mut run = Run::begin(&workflow, &events[0].body.0, events[0].at).unwrap().0;
    for row in &events[1..] {
        assert_eq!(row.step.as_deref(), run.step(), "event {} of {id}", row.seq);
        run = run.apply(&workflow, &row.body.0, row.at).unwrap().0;
    }
    assert_eq!(run, stored.run, "folding the history of {id} gives another state");
}

/// Asserts the invariants of the store and folds the history of every run.
pub(crate) async fn assert_sound(engine: &Engine) {
    let mut connection = engine.pool().acquire().await.unwrap();
    for check in invariant::check(&mut connection, 5).await.unwrap() {
        // After a test has moved the clock, no worker has looked yet at what became due.
        let depends_on_clock = ["leases", "timers", "idle-transactions"].contains(&check.name);
        assert!(depends_on_clock || check.count == 0, "{check:?}");
    }
    drop(connection);
    let all: Vec<Uuid> = sqlx::query_scalar("select id from run").fetch_all(engine.pool()).await.unwrap();
    for id in all {
        assert_folds(engine, id).await;
    }
}

/// Asserts that the running totals of budgets are the sums of what was reserved and settled.
pub(crate) async fn assert_budgets_add_up(pool: &PgPool) {
    let all = invariant::check(&mut pool.acquire().await.unwrap(), 5).await.unwrap();
    let money = all.into_iter().find(|check| check.name == "money").unwrap();
    assert_eq!(money.count, 0, "{money:?}");
}

/// How many timers are due.
pub(crate) async fn due_timers(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from timer where due_at <= now()").fetch_one(pool).await.unwrap()
}
