//! REST as a caller meets it, over a real Postgres: what is taken, what is refused, and how.

use std::{sync::Arc, time::Duration};

use aspora::{
    core::{
        finding::{Finding, Severity},
        run::Progress,
        workflow::{Outcome, Queue},
    },
    engine::{Answer, Engine},
    http::{self, App, Settings},
    store::{self, job::Lease},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header, request::Builder},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::support::{self, TestDatabase};

const SECRET: &str = "webhook secret of this test";
const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";
const REQUIREMENTS: &str = "/api/v1/requirements";

struct World {
    app: App,
    routes: Router,
    database: TestDatabase,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl World {
    async fn new() -> Self {
        let database = support::database().await;
        let (name, repository) = ("wealth".parse().unwrap(), "acme/wealth-product".parse().unwrap());
        store::product::put(&database.pool, &name, &repository, "main", &[]).await.unwrap();
        let settings = Settings {
            public_url: "http://aspora.test".to_owned(),
            forge_url: "https://forge.test".to_owned(),
            webhook_secrets: vec![SECRET.to_owned().into()],
            forge_is_stand_in: true,
            model_is_stand_in: true,
        };
        let engine = Engine::open(database.pool.clone()).await.unwrap();
        let app = App { engine, settings: Arc::new(settings) };
        Self { routes: http::router(app.clone()), app, database }
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Reply { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn submit(&self, title: &str) -> (Uuid, Uuid) {
        let reply = self.send(post(REQUIREMENTS).body(requirement(title)).unwrap()).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.body);
        (id(&reply.body["id"]), id(&reply.body["run_id"]))
    }

    async fn claim(&self, queue: Queue) -> Lease {
        let lease = Duration::from_secs(60);
        support::claim(&self.database.pool, queue, "w1", 1, lease).await.remove(0)
    }

    async fn answer(&self, lease: &Lease, outcome: Outcome, progress: Progress) {
        let answer = Answer { outcome, note: format!("note: {outcome}"), progress };
        self.app.engine.answer(lease, "w1", answer).await.unwrap();
    }

    async fn count(&self, table: &str) -> i64 {
        let query = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        sqlx::query_scalar(query).fetch_one(&self.database.pool).await.unwrap()
    }

    async fn serve(&self) -> (String, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let serving = http::serve(listener, self.app.clone(), stop.clone());
        (url, stop, tokio::spawn(async { serving.await.unwrap() }))
    }
}

fn id(value: &Value) -> Uuid {
    value.as_str().unwrap().parse().unwrap()
}

fn post(path: &str) -> Builder {
    Request::post(path).header(header::CONTENT_TYPE, "application/json")
}

fn requirement(title: &str) -> Body {
    Body::from(json!({ "product": "wealth", "title": title, "body": "All of it." }).to_string())
}

fn is_problem(reply: &Reply, status: u16, code: &str, what: &str) {
    assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.body);
    assert_eq!(reply.body["code"], code, "{what}: {}", reply.body);
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/problem+json", "{what}");
    assert_eq!(reply.body["status"], status, "{what}");
    assert_eq!(reply.body["type"], format!("/problems/{code}"), "{what}");
    assert_eq!(reply.body["request_id"], reply.headers["x-request-id"].to_str().unwrap(), "{what}");
    for field in ["title", "detail", "instance"] {
        assert_ne!(reply.body[field].as_str().unwrap(), "", "{what}: {field}");
    }
    assert!(reply.body["retryable"].is_boolean(), "{what}");
}

#[tokio::test]
async fn every_mistake_of_a_caller_has_its_own_answer() {
    let world = World::new().await;
    let missing = "/api/v1/runs/0190a5c4-7b1e-7c3a-9f00-2b8a1c4d5e6f";
    let check = async |path: &str, status: u16, code: &str| {
        is_problem(&world.get(path).await, status, code, path);
    };
    check("/nowhere", 404, "not-found").await;
    check("/api/v1/nowhere", 404, "not-found").await;
    check(missing, 404, "not-found").await;
    for part in ["events", "why", "attempts", "findings", "assessments", "effects", "diff"] {
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
async fn a_body_that_does_not_fit_is_told_where() {
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
async fn pages_hold_every_requirement_once_newest_first() {
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
async fn a_run_tells_how_it_stands_and_why() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let path = format!("/api/v1/runs/{run}");
    let why = async || world.get(&format!("{path}/why")).await.body;
    assert_eq!(why().await["cause"], "no_worker");
    let first = world.get(&path).await;
    let lease = world.claim(Queue::Llm).await;
    let running = why().await;
    assert_eq!((&running["cause"], &running["facts"]["worker"]), (&json!("running"), &json!("w1")));
    let known = Request::get(&path).header(header::IF_NONE_MATCH, &first.headers[header::ETAG]);
    let same = world.send(known.body(Body::empty()).unwrap()).await;
    assert_eq!(same.status, StatusCode::NOT_MODIFIED);
    let progress = Progress { pull: Some(7), head: Some(HEAD.parse().unwrap()), ..Progress::default() };
    world.answer(&lease, Outcome::Opened, progress).await;
    let known = Request::get(&path).header(header::IF_NONE_MATCH, &first.headers[header::ETAG]);
    let moved = world.send(known.body(Body::empty()).unwrap()).await;
    assert_eq!((moved.status, &moved.body["step"]), (StatusCode::OK, &json!("gate")));
    assert_eq!(moved.body["pull_url"], "https://forge.test/acme/wealth-product/pull/7");
    let lease = world.claim(Queue::Github).await;
    world.app.engine.fail(&lease, "w1", "503 from the forge", Some(Duration::from_secs(60))).await.unwrap();
    let backing = why().await;
    assert_eq!(backing["cause"], "backing_off", "{backing}");
    assert_eq!(
        (&backing["facts"]["error"], &backing["facts"]["attempt"]),
        (&json!("503 from the forge"), &json!(1))
    );
    let attempts = world.get(&format!("{path}/attempts")).await.body;
    assert_eq!(attempts.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_a_push_changes_is_told_by_its_own_route() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let lease = world.claim(Queue::Llm).await;
    let (pool, path) = (&world.database.pool, format!("/api/v1/runs/{run}"));
    let request = json!({ "parent": HEAD, "files": ["a.py"], "diff": "--- a/a.py\n", "diff_is_cut": false });
    store::effect::begin(pool, &lease, "1/push", "push", &request).await.unwrap();
    store::effect::begin(pool, &lease, "2/push", "push", &json!({ "branch": "b" })).await.unwrap();
    let diffs = world.get(&format!("{path}/diff")).await.body;
    assert_eq!(diffs.as_array().unwrap().len(), 1, "a push that kept no diff has none: {diffs}");
    let told = json!({
        "key": "1/push", "at": diffs[0]["at"], "parent": HEAD, "head": null, "diff": "--- a/a.py\n", "is_cut": false,
    });
    assert_eq!(diffs[0], told);
    let effects = world.get(&format!("{path}/effects")).await.body;
    assert_eq!(effects[0]["request"], json!({ "parent": HEAD, "files": ["a.py"], "diff_is_cut": false }));
    store::effect::observe(pool, run, "1/push", &json!({ "sha": HEAD })).await.unwrap();
    assert_eq!(world.get(&format!("{path}/diff")).await.body[0]["head"], HEAD);
}

#[tokio::test]
async fn findings_are_there_once_the_review_is_complete() {
    let world = World::new().await;
    world.submit("Portfolio risk").await;
    let path = format!("/api/v1/reviews/acme/wealth-product/pr/7/findings?sha={HEAD}");
    is_problem(&world.get(&path).await, 404, "not-reviewed", "no pull request");
    let lease = world.claim(Queue::Llm).await;
    let head = HEAD.parse().unwrap();
    let progress = Progress { pull: Some(7), head: Some(HEAD.parse().unwrap()), ..Progress::default() };
    world.answer(&lease, Outcome::Opened, progress).await;
    is_problem(&world.get(&path).await, 404, "not-reviewed", "no review");
    let finding = Finding::new(Severity::Critical, "a.py", Some(3), "Division by zero", "x / y");
    store::review::record(&world.database.pool, &lease, &head, "One flaw.", &[finding]).await.unwrap();
    let reply = world.get(&path).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!((&reply.body[0]["severity"], &reply.body[0]["line"]), (&json!("critical"), &json!(3)));
    is_problem(&world.get(&path.replace("sha=0", "sha=1")).await, 404, "not-reviewed", "another head");
    for wrong in ["sha=", "sha=HEAD", "", "sha=%00"] {
        let path = format!("/api/v1/reviews/acme/wealth-product/pr/7/findings?{wrong}");
        is_problem(&world.get(&path).await, 400, "bad-request", wrong);
    }
    let odd = format!("/api/v1/reviews/..%2fx/y/pr/7/findings?sha={HEAD}");
    is_problem(&world.get(&odd).await, 400, "bad-request", "odd repository");
}

#[tokio::test]
async fn a_delivery_counts_once_and_only_if_it_is_signed() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let body = json!({
        "repository": { "full_name": "acme/wealth-product" },
        "ref": format!("refs/heads/aspora/wealth/{run}"), "after": HEAD,
    })
    .to_string();
    let deliver = async |event: &str, body: &str, secret: &str, delivery: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let request = post("/api/v1/webhooks/github")
            .header("x-hub-signature-256", signature)
            .header("x-github-event", event)
            .header("x-github-delivery", delivery);
        world.send(request.body(Body::from(body.to_owned())).unwrap()).await
    };
    is_problem(&deliver("push", &body, "guess", "d1").await, 401, "bad-signature", "guessed");
    let unsigned = post("/api/v1/webhooks/github").header("x-github-event", "push");
    let unsigned = unsigned.header("x-github-delivery", "d1").body(Body::from(body.clone())).unwrap();
    is_problem(&world.send(unsigned).await, 401, "bad-signature", "unsigned");
    assert_eq!(world.count("signal").await, 0);
    let same = futures::future::join_all((0..10).map(|_| deliver("push", &body, SECRET, "d1"))).await;
    assert!(same.iter().all(|reply| reply.status == StatusCode::OK));
    assert_eq!(same.iter().filter(|reply| reply.body["result"] == "stored").count(), 1);
    assert_eq!(world.count("signal").await, 1);
    assert_eq!(deliver("star", &body, SECRET, "d2").await.body["result"], "ignored");
    assert_eq!(deliver("installation", "{}", SECRET, "d3").await.body["result"], "ignored");
    is_problem(&deliver("push", "[]", SECRET, "d4").await, 400, "bad-syntax", "no object");
    is_problem(&deliver("push", &body, SECRET, "").await, 400, "bad-request", "no delivery");
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(300 * 1024));
    assert_eq!(deliver("ping", &large, SECRET, "d5").await.status, StatusCode::OK);
    assert_eq!(world.count("signal").await, 1);
}

#[tokio::test]
async fn a_stream_goes_on_where_it_broke_off_and_ends_with_the_run() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let (url, stop, serving) = world.serve().await;
    let client = reqwest::Client::new();
    let open = async |last: i32| {
        let request = client.get(format!("{url}/api/v1/runs/{run}/events"));
        let request = request.header("accept", "text/event-stream").header("last-event-id", last);
        request.send().await.unwrap()
    };
    let mut broken = open(0).await;
    assert_eq!(broken.headers()["content-type"], "text/event-stream");
    let piece = broken.chunk().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&piece).contains("id: 1\n"), "{piece:?}");
    drop(broken);
    let rest = open(1).await;
    let lease = world.claim(Queue::Llm).await;
    world.answer(&lease, Outcome::Declined, Progress::default()).await;
    let text = rest.text().await.unwrap();
    assert!(text.contains("id: 2\n") && !text.contains("id: 1\n"), "{text}");
    assert!(text.contains("event: answered\n") && text.contains("\"outcome\":\"declined\""), "{text}");
    assert_eq!(open(2).await.status(), StatusCode::NO_CONTENT);
    let page = world.get(&format!("/api/v1/runs/{run}/events?limit=1")).await;
    assert_eq!((&page.body["items"][0]["kind"], &page.body["next_after"]), (&json!("started"), &json!(1)));
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_stream_of_a_running_run_ends_when_the_server_stops() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let (url, stop, serving) = world.serve().await;
    let request = reqwest::Client::new().get(format!("{url}/api/v1/runs/{run}/events"));
    let mut stream = request.header("accept", "text/event-stream").send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    stop.cancel();
    assert!(stream.chunk().await.unwrap().is_none());
    serving.await.unwrap();
}

#[tokio::test]
async fn while_the_database_is_away_callers_are_told_to_come_again() {
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
async fn every_answer_is_safe_in_a_browser_and_can_be_found_in_the_log() {
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
    let written = include_str!("../../docs/openapi.json");
    let current = http::openapi::document().unwrap();
    assert!(written == current, "refresh it: aspora openapi > docs/openapi.json");
    let parsed: Value = serde_json::from_str(&current).unwrap();
    assert!(parsed["openapi"].as_str().unwrap().starts_with("3.1"));
}

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
async fn a_full_backlog_is_told_before_anything_is_stored() {
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
    assert_eq!(world.send(keyed("k1")).await.status, StatusCode::ACCEPTED, "what was taken is told again");

    assert_eq!(put(product(Value::Null, Value::Null)).await.status, StatusCode::OK);
    world.submit("Third").await;
    assert_eq!(world.get("/api/v1/limits").await.body, json!([]), "a limit that is left out is none");
}

#[tokio::test]
async fn a_run_that_is_held_back_says_by_which_limit_and_until_when() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let pool = &world.database.pool;
    store::rate::penalise(pool, "github:api.github.com:x", Duration::from_secs(60), "rate limited (403)")
        .await
        .unwrap();
    let lease = world.claim(Queue::Llm).await;
    world.app.engine.snooze(&lease, Duration::from_secs(60), "github:api.github.com:x").await.unwrap();
    let why = world.get(&format!("/api/v1/runs/{run}/why")).await.body;
    assert_eq!(
        (&why["cause"], &why["facts"]["key"]),
        (&json!("held_back"), &json!("github:api.github.com:x")),
        "{why}"
    );
    let sentence = why["sentence"].as_str().unwrap();
    assert!(sentence.contains("the rate limit github:api.github.com:x until "), "{sentence}");
    assert!(sentence.ends_with("UTC: rate limited (403)."), "{sentence}");
}
