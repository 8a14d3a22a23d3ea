//! A product's settings are changed one by one, and a product is removed.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};

use super::{REQUIREMENTS, Reply, World, is_problem, post, requirement};

async fn send(world: &World, method: &str, name: &str, body: Value) -> Reply {
    let request = Request::builder().method(method).uri(format!("/api/v1/products/{name}"));
    let request = request.header(header::CONTENT_TYPE, "application/json");
    world.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn put(world: &World, product: Value) -> Reply {
    world.send(post("/api/v1/products").body(Body::from(product.to_string())).unwrap()).await
}

fn whole() -> Value {
    json!({
        "name": "wealth", "repository": "acme/wealth-product", "base_branch": "trunk", "test_command": ["pytest"],
        "backlog": 9, "concurrency": 4, "merge_method": "squash",
        "reviewers": [{ "kind": "builtin" }, { "kind": "greptile", "mode": "advisory", "timeout_minutes": 5 }],
    })
}

#[tokio::test]
async fn a_change_of_one_setting_keeps_the_others() {
    let world = World::new().await;
    let before = put(&world, whole()).await.body;
    let changed = send(&world, "PATCH", "wealth", json!({ "backlog": 3, "concurrency": null })).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    let mut expected = before;
    expected["backlog"] = json!(3);
    expected.as_object_mut().unwrap().remove("concurrency");
    assert_eq!(changed.body, expected);
    assert_eq!(world.get("/api/v1/products").await.body, json!([expected]));
}

#[tokio::test]
async fn reviewers_are_set_kept_and_taken_back() {
    let world = World::new().await;
    put(&world, whole()).await;
    let reviewers = world.get("/api/v1/products").await.body[0]["reviewers"].clone();
    assert_eq!(reviewers[1], json!({ "kind": "greptile", "mode": "advisory", "timeout_minutes": 5 }));
    let wrong = json!([{ "kind": "greptile" }, { "kind": "greptile" }]);
    let refused = send(&world, "PATCH", "wealth", json!({ "reviewers": wrong })).await;
    is_problem(&refused, 422, "invalid", "two of one name");
    assert!(
        refused.body["errors"][0]["pointer"].as_str().unwrap().starts_with("/reviewers"),
        "{}",
        refused.body
    );
    let unknown = send(&world, "PATCH", "wealth", json!({ "reviewers": [{ "kind": "oracle" }] })).await;
    is_problem(&unknown, 422, "invalid", "an unknown kind");
    assert_eq!(world.get("/api/v1/products").await.body[0]["reviewers"], reviewers);
    send(&world, "PATCH", "wealth", json!({ "reviewers": null })).await;
    assert_eq!(world.get("/api/v1/products").await.body[0].get("reviewers"), None);
}

#[tokio::test]
async fn what_is_wrong_in_a_change_is_named_and_nothing_is_changed() {
    let world = World::new().await;
    put(&world, whole()).await;
    let before = world.get("/api/v1/products").await.body;
    for (change, pointer) in [
        (json!({ "backlog": 0 }), "/backlog"),
        (json!({ "backlog": "many" }), "/backlog"),
        (json!({ "name": "health" }), "/name"),
        (json!({ "name": null }), "/name"),
        (json!({ "repository": null }), "/repository"),
        (json!({ "merges_theirs": true }), "/merges_theirs"),
        (
            json!({ "reviewers": [{ "kind": "greptile", "timeout_minutes": -1 }] }),
            "/reviewers/0/timeout_minutes",
        ),
    ] {
        let refused = send(&world, "PATCH", "wealth", change.clone()).await;
        is_problem(&refused, 422, "invalid", pointer);
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{change}: {}", refused.body);
    }
    let unknown = send(&world, "PATCH", "wealth", json!({ "bakclog": 1 })).await;
    is_problem(&unknown, 422, "invalid", "an unknown setting");
    assert!(unknown.body["detail"].as_str().unwrap().contains("`bakclog`"), "{}", unknown.body);
    is_problem(&send(&world, "PATCH", "wealth", json!([])).await, 422, "invalid", "a list");
    is_problem(&send(&world, "PATCH", "health", json!({})).await, 404, "not-found", "another product");
    assert_eq!(world.get("/api/v1/products").await.body, before);
}

#[tokio::test]
async fn a_product_is_removed_once_nothing_needs_it_and_comes_back_with_its_history() {
    let world = World::new().await;
    put(&world, whole()).await;
    let (_, run) = world.submit("a requirement").await;
    let refused = send(&world, "DELETE", "wealth", Value::Null).await;
    is_problem(&refused, 409, "not-allowed", "an open run");
    assert!(refused.body["detail"].as_str().unwrap().contains("open runs 1"), "{}", refused.body);
    let cancel = post(&format!("/api/v1/runs/{run}/cancel"));
    world.send(cancel.body(Body::from(json!({ "reason": "because" }).to_string())).unwrap()).await;

    assert_eq!(send(&world, "DELETE", "wealth", Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get("/api/v1/products").await.body, json!([]));
    assert_eq!(world.get("/api/v1/limits").await.body, json!([]));
    is_problem(&send(&world, "DELETE", "wealth", Value::Null).await, 404, "not-found", "removed already");
    let late = world.send(post(REQUIREMENTS).body(requirement("late")).unwrap()).await;
    is_problem(&late, 422, "unknown-product", "a requirement for it");
    assert_eq!(world.get(&format!("/api/v1/runs/{run}")).await.body["product"], "wealth");

    let again = put(&world, json!({ "name": "wealth", "repository": "acme/wealth-product" })).await;
    assert_eq!(again.status, StatusCode::CREATED);
    assert_eq!(again.body["test_command"], json!([]));
    world.submit("another").await;
}
