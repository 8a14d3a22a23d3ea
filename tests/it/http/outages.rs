//! Outages: listed, and probed by hand.

use std::time::Duration;

use aspora::{
    activities::Breaker,
    core::{
        outage::{LONGEST_OUTAGE, Outage, Provider},
        workflow::Queue,
    },
    store::outage,
};
use axum::{body::Body, http::StatusCode};
use serde_json::{Value, json};

use super::{Reply, World, is_problem, post, support::accept};

const DOWN: &str = "/api/v1/outages/model%20x.ai%2Fa%2Fb/probe";

impl World {
    async fn probe(&self, path: &str, body: Value) -> Reply {
        self.send(post(path).body(Body::from(body.to_string())).unwrap()).await
    }
}

#[tokio::test]
async fn an_outage_is_listed_with_the_jobs_that_wait_and_probed_by_hand() {
    let world = World::new().await;
    let (pool, reason) = (&world.database.pool, json!({"reason": "it is back"}));
    assert_eq!(world.get("/api/v1/outages").await.body, json!([]));
    let provider = Provider::model("x.ai", "a/b");
    let breaker = Breaker::new(pool.clone(), provider.clone());
    let mut outage = None;
    for _ in 0..3 {
        let pass = breaker.pass().await.unwrap();
        outage = breaker.ended(pass, Some("503".to_owned())).await;
    }
    let outage = Outage { wait: Duration::from_secs(60), ..outage.unwrap() };
    accept(&world.app.engine, 3).await;
    let lease = world.claim(Queue::Llm).await;
    world.app.engine.wait_out(&lease, "w", &outage, LONGEST_OUTAGE).await.unwrap();
    let later = "update outage set next_probe_at = clock_timestamp() + interval '1 minute'";
    sqlx::query(later).execute(pool).await.unwrap();

    let listed = world.get("/api/v1/outages").await.body;
    let shown = |name: &str| listed[0][name].clone();
    assert_eq!((shown("provider"), shown("waiting")), (json!("model x.ai/a/b"), json!(1)), "{listed}");
    assert_eq!((shown("last_error"), shown("probes")), (json!("503"), json!(0)), "{listed}");
    assert!(breaker.pass().await.is_err());

    let due = world.probe(DOWN, reason.clone()).await;
    assert_eq!((due.status, &due.body["waiting"]), (StatusCode::OK, &json!(1)), "{}", due.body);
    let is_due = "select visible_at <= clock_timestamp() + interval '2 seconds' from job";
    assert!(sqlx::query_scalar::<_, bool>(is_due).fetch_one(pool).await.unwrap());
    let pass = breaker.pass().await.unwrap();
    assert!(pass.probe.is_some(), "the next call is the probe");
    // A probe that hangs is not waited for either.
    world.probe(DOWN, reason.clone()).await;
    assert!(breaker.pass().await.unwrap().probe.is_some());

    is_problem(&world.probe(DOWN, json!({"reason": ""})).await, 422, "invalid", "a reason is needed");
    for unknown in ["model%20x.ai%2Fc", "git%20x.ai"] {
        let path = format!("/api/v1/outages/{unknown}/probe");
        let missing = world.probe(&path, reason.clone()).await;
        is_problem(&missing, 404, "not-found", unknown);
        assert!(
            missing.body["detail"].as_str().unwrap().contains("GET /api/v1/outages lists"),
            "{}",
            missing.body
        );
    }
    is_problem(
        &world.probe("/api/v1/outages/nonsense/probe", reason).await,
        400,
        "bad-request",
        "no provider",
    );
    assert_eq!(outage::list(pool).await.unwrap().len(), 1);
}
