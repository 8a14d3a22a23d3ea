//! How much one key may ask for.

use std::time::Duration;

use aspora::{
    core::access::{Key, Role},
    engine::people::{self, NewKey},
};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use futures::StreamExt as _;

use super::{Reply, World, is_problem};

async fn key(world: &World, requests_per_minute: Option<i32>) -> (Key, uuid::Uuid) {
    let person = "grace".parse().unwrap();
    let new = NewKey {
        person,
        forge_login: None,
        role: Role::Admin,
        products: None,
        expires_at: None,
        requests_per_minute,
    };
    let issued = people::issue(&world.database.pool, &new, "tests").await.unwrap();
    (issued.key, issued.row.id)
}

async fn get(world: &World, key: &Key, path: &str) -> Reply {
    let bearer = format!("Bearer {}", key.reveal());
    let request = Request::get(path).header(header::AUTHORIZATION, bearer).body(Body::empty()).unwrap();
    world.send_as_is(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn t21_a_key_that_asks_too_often_waits_for_its_next_minute_and_others_do_not() {
    let world = World::new().await;
    let ((key, _), (other, _)) = (key(&world, Some(3)).await, key(&world, None).await);
    for left in [2, 1, 0] {
        let reply = get(&world, &key, "/api/v1/me").await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.headers["ratelimit-policy"], "\"key\";q=3;w=60");
        let shown = reply.headers["ratelimit"].to_str().unwrap();
        assert!(shown.starts_with(&format!("\"key\";r={left};t=")), "{shown}");
    }
    let refused = get(&world, &key, "/api/v1/requirements").await;
    is_problem(&refused, 429, "too-many-requests", "the fourth request");
    assert!(refused.headers.contains_key(header::RETRY_AFTER) && refused.headers.contains_key("ratelimit"));
    let page = get(&world, &key, "/").await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS, "pages count as well");
    assert!(page.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
    assert_eq!(get(&world, &other, "/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(get(&world, &key, "/livez").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn t21_a_key_has_a_limited_number_of_streams_and_gets_each_back_at_its_end() {
    let world = World::new().await;
    let (_, run) = world.submit("a stream").await;
    let (key, _) = key(&world, None).await;
    let path = format!("/api/v1/runs/{run}/events");
    let open = async || {
        let request = Request::get(&path)
            .header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()))
            .header(header::ACCEPT, "text/event-stream");
        tower::ServiceExt::oneshot(world.routes.clone(), request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let mut streams = Vec::new();
    for _ in 0..100 {
        let stream = open().await;
        assert_eq!(stream.status(), StatusCode::OK);
        streams.push(stream);
    }
    assert_eq!(open().await.status(), StatusCode::TOO_MANY_REQUESTS);
    drop(streams.pop());
    assert_eq!(open().await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn t18_a_stream_ends_with_the_key_that_opened_it() {
    let world = World::new().await;
    let (_, run) = world.submit("a stream").await;
    let (key, id) = key(&world, None).await;
    let request = Request::get(format!("/api/v1/runs/{run}/events"))
        .header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()))
        .header(header::ACCEPT, "text/event-stream");
    let response =
        tower::ServiceExt::oneshot(world.routes.clone(), request.body(Body::empty()).unwrap()).await.unwrap();
    let mut stream = response.into_body().into_data_stream();
    assert!(stream.next().await.is_some(), "the history so far");
    people::revoke(&world.database.pool, id, "tests", &"it leaked".parse().unwrap()).await.unwrap();
    let rest = tokio::time::timeout(Duration::from_secs(60), stream.collect::<Vec<_>>()).await;
    assert!(rest.is_ok(), "the stream goes on without a key");
}
