//! F3: Postgres does what it is asked, and the answer is lost on the way. Whoever asked cannot know.

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
    floor::{self, Floor, until},
    invariants,
    proxy::Proxy,
    support::{self, accept, advance, answer, assert_sound},
};

/// A tested engine over a database, and another one that reaches it by way of a proxy.
struct Apart {
    near: support::Ground,
    far: Engine,
    proxy: Proxy,
}

impl Apart {
    async fn new() -> Self {
        let near = support::Ground::new().await;
        let proxy = Proxy::start(&near.database.url).await;
        let pool = store::connect(&proxy.url(&near.database.url), 2).await.unwrap();
        Self { far: Engine::open(pool).await.unwrap(), near, proxy }
    }

    /// A claim that goes the long way.
    async fn claim(&self, guarded: bool) -> store::Result<job::ClaimBatch> {
        let terms = ClaimRequest { worker: "far", lease: support::Ground::LEASE, suspects: true, guarded };
        job::claim(&mut *self.far.pool().acquire().await?, &[(Queue::Llm, 9)], terms).await
    }

    async fn attempts(&self, run: Uuid) -> Vec<(i32, Option<String>)> {
        let rows = store::attempt::of_run(self.near.pool(), run).await.unwrap();
        rows.into_iter().map(|row| (row.attempt, row.ended_as)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_a_finish_whose_commit_was_not_acknowledged_is_in_the_history_once() {
    let apart = Apart::new().await;
    let run = accept(&apart.near.engine, 3).await;
    let lease = apart.claim(false).await.unwrap().claims.remove(0).lease;
    apart.proxy.swallow("COMMIT", 0);
    let lost = apart.far.answer(&lease, "far", answer(Outcome::Opened)).await.unwrap_err();
    assert_eq!(apart.proxy.lost(), 1);
    assert!(matches!(&lost, aspora::engine::Error::Store(error) if store::is_transient(error)), "{lost}");
    let before = apart.near.picture().await;
    let again = apart.far.answer(&lease, "far", answer(Outcome::Opened)).await.unwrap();
    assert_eq!(again, Ack::Fenced, "it had been recorded");
    assert_eq!(apart.near.picture().await, before, "asked again it changes nothing");
    assert_eq!(apart.near.kinds(run).await, ["started", "answered"]);
    assert_sound(&apart.near.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_a_claim_that_was_not_acknowledged_costs_a_lease_and_nothing_else() {
    for guarded in [false, true] {
        let apart = Apart::new().await;
        let run = accept(&apart.near.engine, 3).await;
        apart.proxy.swallow(if guarded { "COMMIT" } else { "with recursive wanted" }, 0);
        let lost = apart.claim(guarded).await.expect_err("nobody heard of the claim");
        assert!(apart.proxy.lost() == 1 && store::is_transient(&lost), "{lost}");
        assert_eq!(apart.attempts(run).await, [(1, None)], "it was made");
        assert!(apart.claim(guarded).await.unwrap().claims.is_empty(), "and holds for its lease");
        advance(apart.near.pool(), support::Ground::LEASE * 2).await;
        let lease = apart.claim(guarded).await.unwrap().claims.remove(0).lease;
        assert_eq!((lease.run, lease.attempt), (run, 2));
        let moved = apart.far.answer(&lease, "far", answer(Outcome::Opened)).await.unwrap();
        assert_eq!(moved, Ack::Committed);
        let words = [(1, Some("lost".to_owned())), (2, Some("answered".to_owned()))];
        assert_eq!(apart.attempts(run).await, words);
        assert_sound(&apart.near.engine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_a_requirement_whose_commit_was_not_acknowledged_is_taken_once_under_its_key() {
    let apart = Apart::new().await;
    let routes = http::router(support::app(apart.far.clone()));
    let submit = async || {
        let new = json!({ "product": "wealth", "title": "Add a risk checker", "body": "For portfolios." });
        let request = Request::post("/api/v1/requirements")
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", "the-only-one")
            .body(Body::from(new.to_string()))
            .unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    apart.proxy.swallow("COMMIT", 0);
    let (status, body) = submit().await;
    assert!(apart.proxy.lost() == 1 && status.is_server_error(), "{status} {body}");
    let (status, taken) = submit().await;
    assert_eq!(status, StatusCode::ACCEPTED, "{taken}");
    assert_eq!(submit().await, (status, taken.clone()));
    let runs: Vec<Uuid> =
        sqlx::query_scalar("select id from run").fetch_all(apart.near.pool()).await.unwrap();
    assert_eq!(
        runs.iter().map(|run| Value::from(run.to_string())).collect::<Vec<_>>(),
        [taken["run_id"].clone()]
    );
    assert_sound(&apart.near.engine).await;
}

/// Loses the answer to one such request at each job of the run, until it is over; tells how many. `spared` of
/// them are answered before.
async fn lose_at_each_job(floor: &Floor, begun: &floor::Begun, proxy: &Proxy, what: Lost) -> usize {
    let (mut turn, mut armed) = (0, 0);
    let before = proxy.lost();
    loop {
        // What follows a failure is the same job: it is left in peace.
        let stored = until("the next job", async || {
            let stored = floor.look(begun.run).await;
            (stored.run.turn > turn || stored.run.step().is_none()).then_some(stored)
        })
        .await;
        let lost = proxy.lost() - before;
        if stored.run.step().is_none() {
            return lost;
        }
        turn = stored.run.turn;
        // One that has not struck yet waits for its request.
        if lost == armed {
            let (request, spared) = what;
            proxy.swallow(request, spared);
            armed += 1;
        }
    }
}

/// A request, and how many of them are spared.
type Lost = (&'static str, usize);

/// A commit is of an intent, an observation or the long road; the last is the short road of an answer.
const LOST: [Lost; 3] = [("COMMIT", 0), ("COMMIT", 1), ("a run moved without its job", 0)];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f3_lost_acknowledgements_along_a_whole_run_do_nothing_twice() {
    let ground = floor::Ground::new();
    tokio::task::block_in_place(|| ground.cluster.create_database("aspora").unwrap());
    let direct = ground.cluster.url("aspora");
    let proxy = Proxy::start(&direct).await;
    let floor = Floor::with_workers_at(&direct, &proxy.url(&direct)).await;
    let worker = floor.crew.hire();
    let mut lost = Vec::new();
    for (number, what) in LOST.into_iter().enumerate() {
        let begun = floor.begin(&format!("p{number}")).await;
        lost.push(lose_at_each_job(&floor, &begun, &proxy, what).await);
        invariants::hold(&floor, &begun, None).await;
    }
    assert_eq!(floor.crew.ended(worker), None, "the worker lives on");
    println!("answers lost: {lost:?} of {LOST:?}");
    assert!(lost.iter().all(|count| *count >= 3), "only {lost:?} answers were lost");
    invariants::model_was_asked(&floor, LOST.len(), lost.iter().sum());
}
