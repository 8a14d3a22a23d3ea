//! F3: Postgres executes a statement, and the response is lost. The client cannot know whether it was executed.

use aspora::{
    core::workflow::{Outcome, Queue},
    engine::{Ack, Engine},
    http,
    store::{
        self,
        job::{self, ClaimRequest},
    },
};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::{
    env::{FaultEnv, Proxy, StartedRun, TestPostgres, invariants},
    support::{self, TestEngine, accept, advance, answer, assert_sound, wait::until},
};

/// Two engines over one database; one of them connects through a proxy.
struct Proxied {
    direct: TestEngine,
    engine: Engine,
    proxy: Proxy,
}

impl Proxied {
    async fn new() -> Self {
        let direct = TestEngine::new().await;
        let proxy = Proxy::start(&direct.database.url).await;
        let pool = store::connect(&proxy.url(&direct.database.url), 2).await.unwrap();
        Self { engine: Engine::open(pool).await.unwrap(), direct, proxy }
    }

    /// A claim through the proxy.
    async fn claim(&self, guarded: bool) -> store::Result<job::ClaimBatch> {
        let request = ClaimRequest { worker: "w", lease: TestEngine::LEASE, suspects: true, guarded };
        job::claim(&mut *self.engine.pool().acquire().await?, &[(Queue::Llm, 9)], request).await
    }

    async fn attempts(&self, run: Uuid) -> Vec<(i32, Option<String>)> {
        let rows = store::attempt::of_run(self.direct.pool(), run).await.unwrap();
        rows.into_iter().map(|row| (row.attempt, row.ended_as)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_a_finish_whose_commit_was_not_acknowledged_is_in_the_history_once() {
    let proxied = Proxied::new().await;
    let run = accept(&proxied.direct.engine, 3).await;
    let lease = proxied.claim(false).await.unwrap().claims.remove(0).lease;
    proxied.proxy.lose_response("COMMIT", 0);
    let lost = proxied.engine.answer(&lease, "w", answer(Outcome::Opened)).await.unwrap_err();
    assert_eq!(proxied.proxy.lost_responses(), 1);
    assert!(matches!(&lost, aspora::engine::Error::Store(error) if store::is_transient(error)), "{lost}");
    let before = proxied.direct.snapshot().await;
    let again = proxied.engine.answer(&lease, "w", answer(Outcome::Opened)).await.unwrap();
    assert_eq!(again, Ack::Fenced, "it was recorded");
    assert_eq!(proxied.direct.snapshot().await, before, "the second answer changes nothing");
    assert_eq!(proxied.direct.event_kinds(run).await, ["started", "answered"]);
    assert_sound(&proxied.direct.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_a_claim_that_was_not_acknowledged_costs_a_lease_and_nothing_else() {
    for guarded in [false, true] {
        let proxied = Proxied::new().await;
        let run = accept(&proxied.direct.engine, 3).await;
        proxied.proxy.lose_response(if guarded { "COMMIT" } else { "with recursive wanted" }, 0);
        let lost = proxied.claim(guarded).await.expect_err("the response is lost");
        assert!(proxied.proxy.lost_responses() == 1 && store::is_transient(&lost), "{lost}");
        assert_eq!(proxied.attempts(run).await, [(1, None)], "the claim was made");
        assert!(
            proxied.claim(guarded).await.unwrap().claims.is_empty(),
            "the first claim still holds the lease"
        );
        advance(proxied.direct.pool(), TestEngine::LEASE * 2).await;
        let lease = proxied.claim(guarded).await.unwrap().claims.remove(0).lease;
        assert_eq!((lease.run, lease.attempt), (run, 2));
        let ack = proxied.engine.answer(&lease, "w", answer(Outcome::Opened)).await.unwrap();
        assert_eq!(ack, Ack::Committed);
        let attempts = [(1, Some("lost".to_owned())), (2, Some("answered".to_owned()))];
        assert_eq!(proxied.attempts(run).await, attempts);
        assert_sound(&proxied.direct.engine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_a_requirement_whose_commit_was_not_acknowledged_is_accepted_once_under_its_key() {
    let proxied = Proxied::new().await;
    let routes = http::router(support::app(proxied.engine.clone()));
    let submit = async || {
        let new = json!({ "product": "wealth", "title": "Add a risk checker", "body": "For portfolios." });
        let request = Request::post("/api/v1/requirements")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, support::bearer())
            .header("Idempotency-Key", "the-only-one")
            .body(Body::from(new.to_string()))
            .unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    proxied.proxy.lose_response("COMMIT", 0);
    let (status, body) = submit().await;
    assert!(proxied.proxy.lost_responses() == 1 && status.is_server_error(), "{status} {body}");
    let (status, accepted) = submit().await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    assert_eq!(submit().await, (status, accepted.clone()));
    let runs: Vec<Uuid> =
        sqlx::query_scalar("select id from run").fetch_all(proxied.direct.pool()).await.unwrap();
    assert_eq!(
        runs.iter().map(|run| Value::from(run.to_string())).collect::<Vec<_>>(),
        [accepted["run_id"].clone()]
    );
    assert_sound(&proxied.direct.engine).await;
}

/// Loses the response to one such request at each job of the run, until it ends; how many were lost.
async fn lose_at_each_job(
    env: &FaultEnv,
    started: &StartedRun,
    proxy: &Proxy,
    (pattern, skip): Loss,
) -> usize {
    let (mut turn, mut armed) = (0, 0);
    let before = proxy.lost_responses();
    loop {
        // A retry after a failure is the same job and is left alone.
        let stored = until("the next job", async || {
            let stored = env.read(started.run).await;
            (stored.run.turn > turn || stored.run.step().is_none()).then_some(stored)
        })
        .await;
        let lost = proxy.lost_responses() - before;
        if stored.run.step().is_none() {
            return lost;
        }
        turn = stored.run.turn;
        // Otherwise the last one still waits for its request.
        if lost == armed {
            proxy.lose_response(pattern, skip);
            armed += 1;
        }
    }
}

/// What a request contains, and how many such requests are answered before.
type Loss = (&'static str, usize);

/// The commits are of intents, observations and the slow path; the last statement is the fast path of an answer.
const LOSSES: [Loss; 3] = [("COMMIT", 0), ("COMMIT", 1), ("a run moved without its job", 0)];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f3_lost_acknowledgements_along_a_whole_run_do_nothing_twice() {
    let postgres = TestPostgres::start();
    let direct = postgres.create_database("aspora");
    let proxy = Proxy::start(&direct).await;
    let env = FaultEnv::with_workers_at(&direct, &proxy.url(&direct)).await;
    let worker = env.workers.spawn();
    let mut lost = Vec::new();
    for (number, loss) in LOSSES.into_iter().enumerate() {
        let started = env.start_run(&format!("p{number}")).await;
        lost.push(lose_at_each_job(&env, &started, &proxy, loss).await);
        invariants::assert_hold(&env, &started, None).await;
    }
    assert_eq!(env.workers.exit_status(worker), None, "the worker lives on");
    println!("responses lost: {lost:?} of {LOSSES:?}");
    assert!(lost.iter().all(|count| *count >= 3), "only {lost:?} responses were lost");
    invariants::assert_model_calls(&env, LOSSES.len(), lost.iter().sum());
}
