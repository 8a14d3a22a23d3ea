//! F6: all connections of the pool are taken. Callers are asked to retry. That workers keep their leases is a test of
//! the worker (`tests/it/worker/leases.rs`).

use aspora::{engine::Engine, http, store};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use tower::ServiceExt as _;

use crate::support;

#[tokio::test(flavor = "multi_thread")]
async fn f6_a_caller_is_asked_to_retry_while_all_connections_are_taken() {
    let test = support::TestEngine::new().await;
    let pool = store::connect(&test.database.url, 1).await.unwrap();
    let engine = Engine::open(pool.clone()).await.unwrap();
    let routes = http::router(support::app(engine));
    let get = async || {
        let request = Request::get("/api/v1/requirements")
            .header(header::AUTHORIZATION, support::bearer())
            .body(Body::empty())
            .unwrap();
        routes.clone().oneshot(request).await.unwrap()
    };
    let taken = pool.acquire().await.unwrap();
    let refused = get().await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "5");
    drop(taken);
    assert_eq!(get().await.status(), StatusCode::OK);
}
