//! F6: all connections are taken. Callers are told to come again; that whoever works keeps its leases, the
//! tests of the worker hold.

use aspora::{engine::Engine, http, store};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use tower::ServiceExt as _;

use crate::support;

#[tokio::test(flavor = "multi_thread")]
async fn f6_a_caller_is_told_to_come_again_while_all_connections_are_taken() {
    let ground = support::Ground::new().await;
    let pool = store::connect(&ground.database.url, 1).await.unwrap();
    let engine = Engine::open(pool.clone()).await.unwrap();
    let routes = http::router(support::app(engine));
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
