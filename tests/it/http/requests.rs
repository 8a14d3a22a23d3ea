//! How requests are read, kept apart and answered: what is accepted, what is refused, and how.

use aspora::http;
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{REQUIREMENTS, World, id, is_problem, post, requirement};

#[tokio::test]
async fn each_invalid_request_has_its_own_problem() {
    let world = World::new().await;
    let missing = "/api/v1/runs/0190a5c4-7b1e-7c3a-9f00-2b8a1c4d5e6f";
    let check = async |path: &str, status: u16, code: &str| {
        is_problem(&world.get(path).await, status, code, path);
    };
    check("/nowhere", 404, "not-found").await;
    check("/api/v1/nowhere", 404, "not-found").await;
    check(missing, 404, "not-found").await;
    for part in ["events", "why", "attempts", "findings", "assessments", "effects", "tests", "diff"] {
        check(&format!("{missing}/{part}"), 404, "not-found").await;
        check(&format!("/api/v1/runs/12/{part}"), 400, "bad-request").await;
    }
    check("/api/v1/runs/not-a-uuid", 400, "bad-request").await;
    check("/api/v1/runs/%00", 400, "bad-request").await;
    check("/api/v1/runs/%ff", 400, "bad-request").await;
    check("/api/v1/requirements/x", 400, "bad-request").await;
    let queries = [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=-1",
        "cursor=zz",
        "cursor=ff",
        "state=odd",
        "product=A%27",
        "q=%00",
        "product=%00",
        "colour=red",
        "q=a&q=b",
    ];
    for query in queries {
        check(&format!("{REQUIREMENTS}?{query}"), 400, "bad-request").await;
    }
    let beyond = format!("{REQUIREMENTS}?cursor=7fffffffffffffff{}", "0".repeat(32));
    check(&beyond, 400, "bad-request").await;
    let wrong = world.send(Request::delete(REQUIREMENTS).body(Body::empty()).unwrap()).await;
    is_problem(&wrong, 405, "method-not-allowed", "DELETE");
    assert!(wrong.headers[header::ALLOW].to_str().unwrap().contains("POST"));
}

#[tokio::test]
async fn an_invalid_body_is_answered_with_what_is_wrong_and_where() {
    let world = World::new().await;
    let check = async |body: &str, status: u16, code: &str, pointer: &str, says: &str| {
        let reply = world.send(post(REQUIREMENTS).body(Body::from(body.to_owned())).unwrap()).await;
        is_problem(&reply, status, code, body);
        let detail = reply.body.to_string();
        assert!(detail.contains(says), "{body}: {detail}");
        if !pointer.is_empty() {
            assert_eq!(reply.body["errors"][0]["pointer"], pointer, "{body}");
        }
    };
    check("", 400, "bad-syntax", "", "line 1 column 0").await;
    check("{\n  \"product\": }", 400, "bad-syntax", "", "line 2 column 14").await;
    check(&"[".repeat(1000), 422, "invalid", "", "invalid type").await;
    check(r#"{"product":"wealth","title":"\ud800","body":"b"}"#, 400, "bad-syntax", "", "line 1 column")
        .await;
    check(r#"{"product":"wealth","title":"t"}"#, 422, "invalid", "", "missing field `body`").await;
    check(r#"{"product":1,"title":"t","body":"b"}"#, 422, "invalid", "/product", "expected a string").await;
    let with = |product: &str, title: &str, text: &str, more: &str| {
        format!(r#"{{"product":"{product}","title":"{title}","body":"{text}"{more}}}"#)
    };
    check(&with("wealth", "t", "b", r#","colour":1"#), 422, "invalid", "/colour", "unknown field").await;
    check(&with("wealth", "t", "b", r#","priority":300"#), 422, "invalid", "/priority", "300").await;
    check(&with("wealth", "t", "b", r#","priority":6"#), 422, "invalid", "/priority", "from 1").await;
    check(&with("wealth", "", "b", ""), 422, "invalid", "/title", "is empty").await;
    check(&with("wealth", r"a\u0000", "b", ""), 422, "invalid", "/title", "control").await;
    check(&with("wealth", "t", r"b\u0000", ""), 422, "invalid", "/body", "NUL").await;
    check(&with(r"we\u0000", "t", "b", ""), 422, "invalid", "/product", "not a product name").await;
    check(&with("health", "t", "b", ""), 422, "unknown-product", "/product", "known are `wealth`").await;
    check(&with("wealth", "t", &"x".repeat(65_537), ""), 422, "invalid", "/body", "65536").await;
    check(&with("wealth", "t", &"x".repeat(256 * 1024), ""), 413, "too-large", "", "262144").await;
    let typed = Request::post(REQUIREMENTS).header(header::CONTENT_TYPE, "text/plain");
    for (request, what) in [(Request::post(REQUIREMENTS), "untyped"), (typed, "text/plain")] {
        is_problem(&world.send(request.body(requirement("t")).unwrap()).await, 415, "not-json", what);
    }
    let bad_product =
        json!({ "name": "A", "repository": "x", "base_branch": "a..b", "test_command": ["\0"] });
    let reply = world.send(post("/api/v1/products").body(Body::from(bad_product.to_string())).unwrap()).await;
    is_problem(&reply, 422, "invalid", "product");
    assert_eq!(reply.body["errors"].as_array().unwrap().len(), 4);
    let odd =
        json!({ "name": "odd", "repository": "acme/.github", "base_branch": "größe/#1", "test_command": [] });
    let reply = world.send(post("/api/v1/products").body(Body::from(odd.to_string())).unwrap()).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
    assert_eq!(world.count("requirement").await, 0);
}

#[tokio::test]
async fn a_key_makes_one_requirement_however_often_it_is_sent() {
    let world = World::new().await;
    let send = async |key: &str, title: &str| {
        let request = post(REQUIREMENTS).header("idempotency-key", key);
        world.send(request.body(requirement(title)).unwrap()).await
    };
    let all = futures::future::join_all((0..10).map(|_| send("k1", "once"))).await;
    for reply in &all {
        assert_eq!(reply.status, StatusCode::ACCEPTED);
        assert_eq!(reply.body, all[0].body);
        assert_eq!(reply.headers[header::LOCATION], all[0].headers[header::LOCATION]);
    }
    let replayed = all.iter().filter(|reply| reply.headers.contains_key("idempotency-replayed")).count();
    assert_eq!((replayed, world.count("requirement").await, world.count("run").await), (9, 1, 1));
    is_problem(&send("k1", "another").await, 422, "key-reused", "another body");
    is_problem(&send("", "t").await, 400, "bad-request", "empty key");
    is_problem(&send(&"k".repeat(256), "t").await, 400, "bad-request", "long key");
    assert_ne!(send("k2", "once").await.body["id"], all[0].body["id"]);
    assert_eq!(world.count("requirement").await, 2);
}

#[tokio::test]
async fn pages_list_every_requirement_once_newest_first() {
    let world = World::new().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(world.submit(&format!("Number {number}")).await.0);
    }
    made.reverse();
    let (mut seen, mut path) = (Vec::new(), format!("{REQUIREMENTS}?product=wealth&q=NUMBER&limit=2"));
    loop {
        let reply = world.get(&path).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        seen.extend(reply.body["items"].as_array().unwrap().iter().map(|item| id(&item["id"])));
        let Some(link) = reply.headers.get(header::LINK) else { break };
        let link = link.to_str().unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        link.trim_start_matches('<').clone_into(&mut path);
    }
    assert_eq!(seen, made);
    let none = world.get(&format!("{REQUIREMENTS}?state=succeeded")).await;
    assert_eq!(none.body["items"], json!([]));
    let one = world.get(&format!("{REQUIREMENTS}/{}", made[0])).await;
    assert_eq!((&one.body["title"], &one.body["body"]), (&json!("Number 4"), &json!("All of it.")));
}

#[tokio::test]
async fn without_a_database_requests_are_answered_with_503_and_retry_after() {
    let world = World::new().await;
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);
    world.database.pool.close().await;
    for path in ["/readyz", REQUIREMENTS, "/api/v1/products", &format!("/api/v1/runs/{}", Uuid::nil())] {
        let reply = world.get(path).await;
        is_problem(&reply, 503, "unavailable", path);
        assert_eq!(reply.headers[header::RETRY_AFTER], "5");
    }
    let reply = world.send(post(REQUIREMENTS).body(requirement("t")).unwrap()).await;
    is_problem(&reply, 503, "unavailable", "submit");
    assert_eq!(world.get("/livez").await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_response_has_security_headers_and_a_request_id() {
    let world = World::new().await;
    for path in ["/livez", "/nowhere", "/openapi.json"] {
        let reply = world.get(path).await;
        assert_eq!(reply.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(reply.headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
        assert!(!reply.headers["x-request-id"].is_empty());
    }
    let given = |id: &str| Request::get("/livez").header("x-request-id", id).body(Body::empty()).unwrap();
    assert_eq!(world.send(given("caller-1")).await.headers["x-request-id"], "caller-1");
    assert_ne!(world.send(given("a b")).await.headers["x-request-id"], "a b");
}

#[test]
fn the_committed_description_is_current() {
    let written = include_str!("../../../docs/openapi.json");
    let current = http::openapi::document().unwrap();
    assert!(written == current, "refresh it: aspora openapi > docs/openapi.json");
    let parsed: Value = serde_json::from_str(&current).unwrap();
    assert!(parsed["openapi"].as_str().unwrap().starts_with("3.1"));
}
