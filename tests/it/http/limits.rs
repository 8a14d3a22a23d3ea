//! Limits on running jobs, and a product's backlog.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};

use super::{REQUIREMENTS, World, is_problem, post, requirement};

#[tokio::test]
async fn limits_are_set_listed_and_removed_by_key() {
    let world = World::new().await;
    let send = async |method: &str, key: &str, body: Value| {
        let request = Request::builder().method(method).uri(format!("/api/v1/limits/{key}"));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        world.send(request.body(Body::from(body.to_string())).unwrap()).await
    };
    let most = |most: i64| json!({ "most": most });
    assert_eq!(send("PUT", "product%3Awealth", most(3)).await.status, StatusCode::OK);
    assert_eq!(send("PUT", "model%3Aopenai", most(8)).await.status, StatusCode::OK);
    let both = json!([{"key": "model:openai", "most": 8, "held": 0}, {"key": "product:wealth", "most": 3, "held": 0}]);
    assert_eq!(world.get("/api/v1/limits").await.body, both);
    assert_eq!(world.get("/api/v1/products").await.body[0]["concurrency"], 3);

    assert_eq!(send("DELETE", "model%3Aopenai", json!({})).await.status, StatusCode::NO_CONTENT);
    is_problem(&send("DELETE", "model%3Aopenai", json!({})).await, 404, "not-found", "gone");
    for key in ["nonsense", "product%3AWealth", "merge%3Aacme%2Fw", "%FF", "model%3A%00"] {
        is_problem(&send("PUT", key, most(1)).await, 400, "bad-request", key);
    }
    let fixed = send("PUT", "merge%3Aacme%2Fw%3Amain", most(2)).await;
    is_problem(&fixed, 422, "invalid", "a merge's limit");
    assert!(fixed.body["detail"].as_str().unwrap().contains("always 1"), "{}", fixed.body);
    for number in [0, -1, 10_001] {
        let wrong = send("PUT", "product%3Awealth", most(number)).await;
        is_problem(&wrong, 422, "invalid", "a number");
        assert_eq!(wrong.body["errors"][0]["pointer"], "/most");
    }
    is_problem(
        &send("PUT", "product%3Awealth", json!({"most": i64::MAX})).await,
        422,
        "invalid",
        "too large",
    );
}

#[tokio::test]
async fn a_full_backlog_refuses_a_requirement_before_anything_is_stored() {
    let world = World::new().await;
    let product = |backlog: Value, concurrency: Value| json!({"name": "wealth", "repository": "acme/wealth-product", "backlog": backlog, "concurrency": concurrency});
    let put = async |product: Value| {
        world.send(post("/api/v1/products").body(Body::from(product.to_string())).unwrap()).await
    };
    for (backlog, concurrency, pointer) in [
        (json!(0), json!(1), "/backlog"),
        (json!(1), json!(0), "/concurrency"),
        (json!(1), json!(10_001), "/concurrency"),
    ] {
        let wrong = put(product(backlog, concurrency)).await;
        is_problem(&wrong, 422, "invalid", pointer);
        assert_eq!(wrong.body["errors"][0]["pointer"], pointer);
    }
    assert_eq!(put(product(json!(2), json!(4))).await.status, StatusCode::OK);
    let shown = &world.get("/api/v1/products").await.body[0];
    assert_eq!((&shown["backlog"], &shown["concurrency"]), (&json!(2), &json!(4)));

    let keyed =
        |key: &str| post(REQUIREMENTS).header("idempotency-key", key).body(requirement("Risk")).unwrap();
    assert_eq!(world.send(keyed("k1")).await.status, StatusCode::ACCEPTED);
    world.submit("Goals").await;
    for request in [post(REQUIREMENTS).body(requirement("Third")).unwrap(), keyed("k2")] {
        let full = world.send(request).await;
        is_problem(&full, 429, "backlog-full", "the third");
        assert_eq!(
            (&full.headers[header::RETRY_AFTER], &full.body["retryable"]),
            (&"30".parse().unwrap(), &json!(true))
        );
        let detail = full.body["detail"].as_str().unwrap();
        assert!(detail.contains("has 2 open runs, and at most 2 may be open"), "{detail}");
    }
    assert_eq!((world.count("requirement").await, world.count("run").await), (2, 2));
    assert_eq!(
        world.send(keyed("k1")).await.status,
        StatusCode::ACCEPTED,
        "an accepted requirement is answered again"
    );

    assert_eq!(put(product(Value::Null, Value::Null)).await.status, StatusCode::OK);
    world.submit("Third").await;
    assert_eq!(world.get("/api/v1/limits").await.body, json!([]), "a limit that is left out is removed");
}

#[tokio::test]
async fn everything_is_held_and_released_by_one_request() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let send = async |path: &str, body: serde_json::Value| {
        world.send(post(path).body(body.to_string().into()).unwrap()).await
    };
    let held = send("/api/v1/holds", json!({ "scope": "all", "reason": "the pager rings" })).await;
    assert_eq!((held.status, &held.body["running"]), (StatusCode::CREATED, &json!(0)), "{}", held.body);
    let again = send("/api/v1/holds", json!({ "scope": "all", "reason": "another" })).await;
    assert_eq!((again.status, &again.body["reason"]), (StatusCode::OK, &json!("the pager rings")));
    let why = world.get(&format!("/api/v1/runs/{run}/why")).await.body;
    assert_eq!((&why["cause"], &why["facts"]["scope"]), (&json!("on_hold"), &json!("all")), "{why}");
    assert_eq!(world.get("/api/v1/holds").await.body[0]["scope"], "all");
    for (path, wrong) in [
        ("/api/v1/holds", json!({ "scope": "everything", "reason": "x" })),
        ("/api/v1/holds", json!({ "scope": "all", "reason": " " })),
        ("/api/v1/holds/release", json!({ "scope": "all", "per_minute": 0 })),
        ("/api/v1/holds/release", json!({ "scope": "" })),
    ] {
        is_problem(&send(path, wrong.clone()).await, 422, "invalid", &wrong.to_string());
    }
    let released = send("/api/v1/holds/release", json!({ "scope": "all", "per_minute": 5 })).await;
    assert_eq!((released.status, &released.body["due"]), (StatusCode::OK, &json!(1)), "{}", released.body);
    let absent = send("/api/v1/holds/release", json!({ "scope": "all" })).await;
    is_problem(&absent, 404, "not-found", "it is released already");
}
