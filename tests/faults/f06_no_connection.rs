//! F6: all connections are taken. Callers are told to come again, and whoever works keeps its leases.

use std::{sync::Arc, time::Duration};

use aspora::{
    engine::Engine,
    http::{self, App, Settings},
    store,
};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use tower::ServiceExt as _;

use crate::{crew::Crew, floor::until, light::Light, support};

#[tokio::test(flavor = "multi_thread")]
async fn f6_a_caller_is_told_to_come_again_while_all_connections_are_taken() {
    let ground = support::Ground::new().await;
    let pool = store::connect(&ground.database.url, 1).await.unwrap();
    let settings = Settings {
        public_url: "http://aspora.test".to_owned(),
        forge_url: "https://forge.test".to_owned(),
        webhook_secrets: Vec::new(),
        forge_is_stand_in: true,
        model_is_stand_in: true,
    };
    let engine = Engine::open(pool.clone()).await.unwrap();
    let routes = http::router(App { engine, settings: Arc::new(settings) });
    let ask = async || {
        let request = Request::get("/api/v1/requirements").body(Body::empty()).unwrap();
        routes.clone().oneshot(request).await.unwrap()
    };
    let taken = pool.acquire().await.unwrap();
    let refused = ask().await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "5");
    drop(taken);
    assert_eq!(ask().await.status(), StatusCode::OK);
}

/// A lease, and an answer that takes several of them.
const LEASE: Duration = Duration::from_secs(2);

/// No answer can be recorded for several leases; the jobs that wait for that are still their worker's.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f6_leases_live_on_while_no_answer_can_be_recorded() {
    let (database, folder) = (support::blank().await, tempfile::tempdir().unwrap());
    let mut light = Light::open(&database.url, 2).await;
    let lease = LEASE.as_millis().to_string();
    let words = ["bench-worker", "--lease-ms", &lease, "--drain-ms", "20000", "--answers-within-ms", "200"];
    let crew = Crew::called_with(&words, vec![("DATABASE_URL", database.url.clone())], folder.path());
    crew.hire();
    light.begin(30).await;
    let pool = light.engine().pool().clone();
    until("the work to begin", async || (Light::steps(&pool).await? > 5).then_some(())).await;
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("set local idle_in_transaction_session_timeout = 0").execute(&mut *tx).await.unwrap();
    sqlx::query("lock table run in exclusive mode").execute(&mut *tx).await.unwrap();
    let held = "select count(*) from job where lease_token is not null";
    let before: i64 = sqlx::query_scalar(held).fetch_one(&pool).await.unwrap();
    tokio::time::sleep(LEASE * 3).await;
    tx.rollback().await.unwrap();
    assert!(before > 0, "nothing was held");
    until("all runs to end", async || (crate::light::open_runs(&pool).await.unwrap() == 0).then_some(()))
        .await;
    let lost: i64 = sqlx::query_scalar("select count(*) from attempt_log where ended_as = 'lost'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(lost, 0, "leases were lost");
    let broken = crate::light::broken(light.engine()).await;
    assert!(broken.is_empty(), "{broken:?}");
}
