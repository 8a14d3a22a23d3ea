//! What is shown of a run: its state and cause, its history, its findings and its diffs.

use std::{collections::BTreeSet, time::Duration};

use aspora::{
    api::Fact,
    core::{
        finding::{Finding, Severity},
        run::Progress,
        workflow::{Outcome, Queue},
    },
    store,
};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::json;
use tower::ServiceExt as _;

use crate::support;

use super::{HEAD, World, is_problem};

#[tokio::test]
async fn a_run_shows_its_state_and_its_cause() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let path = format!("/api/v1/runs/{run}");
    let why = async || world.get(&format!("{path}/why")).await.body;
    assert_eq!(why().await["cause"], "no_worker");
    let lease = world.claim(Queue::Llm).await;
    // While a worker runs the step, less can be done to the run, which its response says.
    let first = world.get(&path).await;
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
async fn the_diffs_of_pushes_have_a_route_of_their_own() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let lease = world.claim(Queue::Llm).await;
    let (pool, path) = (&world.database.pool, format!("/api/v1/runs/{run}"));
    let request = json!({ "parent": HEAD, "files": ["a.py"], "diff": "--- a/a.py\n", "diff_is_cut": false });
    store::effect::begin(pool, &lease, "1/push", "push", &request).await.unwrap();
    store::effect::begin(pool, &lease, "2/push", "push", &json!({ "branch": "b" })).await.unwrap();
    let diffs = world.get(&format!("{path}/diff")).await.body;
    assert_eq!(diffs.as_array().unwrap().len(), 1, "a push that kept no diff has none: {diffs}");
    let expected = json!({
        "key": "1/push", "at": diffs[0]["at"], "parent": HEAD, "head": null, "diff": "--- a/a.py\n", "is_cut": false,
    });
    assert_eq!(diffs[0], expected);
    let effects = world.get(&format!("{path}/effects")).await.body;
    assert_eq!(effects[0]["request"], json!({ "parent": HEAD, "files": ["a.py"], "diff_is_cut": false }));
    store::effect::observe(pool, run, "1/push", &json!({ "sha": HEAD })).await.unwrap();
    assert_eq!(world.get(&format!("{path}/diff")).await.body[0]["head"], HEAD);
}

#[tokio::test]
async fn findings_are_served_once_the_review_is_complete() {
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
    store::review::record(
        &world.database.pool,
        &lease,
        &store::review::New::complete(&head, "One flaw.", &[finding]),
    )
    .await
    .unwrap();
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
async fn a_stream_resumes_after_the_last_event_and_ends_with_the_run() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let (url, stop, serving) = world.serve().await;
    let client = support::client();
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
    let request = support::client().get(format!("{url}/api/v1/runs/{run}/events"));
    let mut stream = request.header("accept", "text/event-stream").send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    stop.cancel();
    assert!(stream.chunk().await.unwrap().is_none());
    serving.await.unwrap();
}

#[tokio::test]
async fn a_rate_limited_run_names_the_limit_and_when_it_ends() {
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

#[tokio::test]
async fn attempts_are_read_a_page_at_a_time() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    for _ in 0..3 {
        let lease = world.claim(Queue::Llm).await;
        world.app.engine.fail(&lease, "w1", "503 from the forge", Some(Duration::ZERO)).await.unwrap();
        sqlx::query("update job set visible_at = now()").execute(&world.database.pool).await.unwrap();
    }
    let path = format!("/api/v1/runs/{run}/attempts");
    let (mut next, mut numbers) = (format!("{path}?limit=2"), Vec::new());
    loop {
        let page = world.get(&next).await;
        let rows = page.body.as_array().unwrap();
        assert!(rows.len() <= 2, "{}", page.body);
        numbers.extend(rows.iter().map(|row| row["attempt"].as_u64().unwrap()));
        let Some(link) = page.headers.get(header::LINK) else { break };
        let link = link.to_str().unwrap();
        next = link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned();
    }
    assert_eq!(numbers, [1, 2, 3]);
    for wrong in ["after=1", "after=x.1", "after=1.", "limit=0", "before=1.1"] {
        is_problem(&world.get(&format!("{path}?{wrong}")).await, 400, "bad-request", wrong);
    }
}

#[tokio::test]
async fn an_answer_is_compressed_and_a_stream_of_events_is_not() {
    let world = World::new().await;
    let (_, run) = world.submit(&"Portfolio risk ".repeat(10)).await;
    let encoding = async |accept: &str| {
        let request = Request::get(format!("/api/v1/runs/{run}/events")).header(header::ACCEPT, accept);
        let request = request.header(header::AUTHORIZATION, support::bearer());
        let request = request.header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
        let response = world.routes.clone().oneshot(request).await.unwrap();
        response.headers().get(header::CONTENT_ENCODING).map(|it| it.to_str().unwrap().to_owned())
    };
    assert_eq!(encoding("application/json").await.as_deref(), Some("gzip"));
    assert_eq!(encoding("text/event-stream").await, None);
}

#[test]
fn pages_listen_for_every_kind_of_event() {
    let document: serde_json::Value =
        serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
    let kinds = document["components"]["schemas"]["Fact"]["oneOf"].as_array().unwrap();
    let kinds: Vec<_> =
        kinds.iter().map(|it| it["properties"]["kind"]["enum"][0].as_str().unwrap()).collect();
    let (kinds, names): (BTreeSet<_>, BTreeSet<_>) =
        (kinds.into_iter().collect(), Fact::NAMES.into_iter().collect());
    assert_eq!(kinds, names);
}
