//! What the factory did, over REST and as a page.

use aspora::{
    core::{
        access::{Key, Role},
        run::Progress,
        workflow::{Outcome, Queue},
    },
    engine::people::{self, NewKey},
    store::measure,
};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use super::{HEAD, Reply, World, is_problem};

/// A run of `wealth` that opened a pull request, which was closed.
async fn closed(world: &World, title: &str) -> Uuid {
    let (_, run) = world.submit(title).await;
    let lease = world.claim(Queue::Llm).await;
    let progress = Progress { pull: Some(7), head: Some(HEAD.parse().unwrap()), ..Progress::default() };
    world.answer(&lease, Outcome::Opened, progress).await;
    let lease = world.claim(Queue::Github).await;
    world.answer(&lease, Outcome::Closed, Progress::default()).await;
    while measure::fold(&world.database.pool).await.unwrap() > 0 {}
    run
}

fn figure<'a>(body: &'a Value, name: &str) -> &'a Value {
    let sections = body["sections"].as_array().unwrap();
    let mut figures = sections.iter().flat_map(|section| section["figures"].as_array().unwrap());
    figures.find(|figure| figure["name"] == name).unwrap_or_else(|| panic!("no {name}: {body}"))
}

async fn as_key(world: &World, key: &Key, path: &str) -> Reply {
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()));
    world.send_as_is(request.body(Body::empty()).unwrap()).await
}

/// The status, the type and the text of an answer.
async fn text(world: &World, path: &str, accept: &str) -> (StatusCode, String, String) {
    let key = crate::support::bearer();
    let request = Request::get(path).header(header::AUTHORIZATION, key).header(header::ACCEPT, accept);
    let response = world.routes.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (status, kind) =
        (response.status(), response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned());
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, kind, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn figures_say_what_happened_and_lead_to_the_runs_behind_them() {
    let world = World::new().await;
    let empty = world.get("/api/v1/metrics").await;
    assert_eq!(empty.status, StatusCode::OK, "{}", empty.body);
    assert!(figure(&empty.body, "merged").get("value").is_none(), "no data is no zero");
    let run = closed(&world, "Portfolio risk").await;
    let body = world.get("/api/v1/metrics").await.body;
    assert_eq!((&body["uncounted"], &figure(&body, "ended.cancelled")["value"]), (&json!(0), &json!(1.0)));
    assert_eq!(figure(&body, "merged")["value"], json!(0.0));
    assert!(figure(&body, "cycle.median").get("value").is_none());
    assert!(figure(&body, "coverage.changed").get("value").is_none(), "no report says it");
    let points = body["sections"][0]["points"].as_array().unwrap();
    assert_eq!(points.len(), 30);
    let opened = figure(&body, "first_pull.median");
    let behind = world.get(opened["runs_url"].as_str().unwrap()).await.body;
    let expected = json!([{
        "run_id": run, "product": "wealth", "counted_at": behind["items"][0]["counted_at"],
        "amount": opened["value"].as_f64().unwrap() as i64, "title": "Portfolio risk", "is_deleted": false,
    }]);
    assert_eq!(behind["items"], expected);
}

#[tokio::test]
async fn the_runs_behind_a_figure_are_paged() {
    let world = World::new().await;
    for number in 0..3 {
        closed(&world, &format!("Number {number}")).await;
    }
    let path = "/api/v1/metrics/runs?figure=ended&limit=2";
    let first = world.get(path).await.body;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world.get(&format!("{path}&cursor={cursor}")).await.body;
    let titles = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|it| it["title"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (titles(&first), titles(&second)),
        (vec!["Number 2".into(), "Number 1".into()], vec!["Number 0".into()])
    );
    assert!(second.get("next_cursor").is_none());
    for wrong in [
        "cursor=x",
        "cursor=9999999999999999999-00000000-0000-0000-0000-000000000000",
        "limit=0",
        "limit=101",
    ] {
        is_problem(
            &world.get(&format!("{path}&{wrong}").replace("&limit=2&limit", "&limit")).await,
            400,
            "bad-request",
            wrong,
        );
    }
    is_problem(&world.get("/api/v1/metrics/runs").await, 400, "bad-request", "no figure");
}

#[tokio::test]
async fn a_wrong_range_or_tier_is_a_clear_error() {
    let world = World::new().await;
    for (query, what) in [
        ("from=2026-02-02&to=2026-02-01", "swap"),
        ("from=2000-01-01&to=2026-01-01", "3660"),
        ("from=yesterday", "2026-01-31"),
        ("to=0001-01-01", "2000-01-01"),
        ("tier=huge", "critical"),
        ("format=xml", "csv"),
        ("since=1", "not a parameter"),
        ("from=%00", "NUL"),
    ] {
        let reply = world.get(&format!("/api/v1/metrics?{query}")).await;
        is_problem(&reply, 400, "bad-request", query);
        assert!(reply.body["detail"].as_str().unwrap().contains(what), "{query}: {}", reply.body);
    }
}

#[tokio::test]
async fn csv_has_a_line_for_each_figure() {
    let world = World::new().await;
    closed(&world, "Portfolio risk").await;
    let metrics = world.get("/api/v1/metrics").await.body;
    let figures: usize = metrics["sections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["figures"].as_array().unwrap().len())
        .sum();
    for (path, accept) in [("/api/v1/metrics?format=csv", "*/*"), ("/api/v1/metrics", "text/csv")] {
        let (status, kind, csv) = text(&world, path, accept).await;
        assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/csv; charset=utf-8"));
        assert!(csv.starts_with("section,figure,label,unit,value,of,runs_url\r\n"));
        assert_eq!(csv.lines().count(), figures + 1);
        assert!(csv.contains("merged,ended,ended in all,runs,1,,"), "{csv}");
    }
}

#[tokio::test]
async fn nobody_counts_what_is_not_of_their_products() {
    let world = World::new().await;
    let (name, repository) = ("goals".parse().unwrap(), "acme/goals".parse().unwrap());
    aspora::store::product::put(&world.database.pool, &name, &repository, "main", &[]).await.unwrap();
    closed(&world, "Portfolio risk").await;
    let new = NewKey {
        person: "gala".parse().unwrap(),
        forge_login: None,
        role: Role::Viewer,
        products: Some(vec!["goals".to_owned()]),
        expires_at: None,
        requests_per_minute: None,
    };
    let key = people::issue(&world.database.pool, &new, "tests").await.unwrap().key;
    for query in ["", "?product=wealth", "?product=goals"] {
        let reply = as_key(&world, &key, &format!("/api/v1/metrics{query}")).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert!(figure(&reply.body, "ended").get("value").is_none(), "{query}: {}", reply.body);
    }
    let behind = as_key(&world, &key, "/api/v1/metrics/runs?figure=ended").await.body;
    assert_eq!(behind["items"], json!([]));
    let page = Request::get("/dashboard/runs?figure=ended")
        .header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()));
    let response = world.routes.clone().oneshot(page.body(Body::empty()).unwrap()).await.unwrap();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("No run adds to this figure"));
}

#[tokio::test]
async fn the_page_answers_each_question_without_a_script() {
    let world = World::new().await;
    let (status, _, page) = text(&world, "/dashboard", "text/html").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("no data in these days"), "{page}");
    let run = closed(&world, "<script>alert(1)</script>").await;
    let (_, _, page) = text(&world, "/dashboard", "text/html").await;
    for question in [
        "How much was merged?",
        "How much without a person?",
        "where did it wait?",
        "What did it cost?",
        "was it right?",
        "What broke?",
    ] {
        assert!(page.contains(question), "{question}");
    }
    assert!(page.contains("href=\"/dashboard/runs?figure=ended&amp;from="), "{page}");
    let (_, _, behind) = text(&world, "/dashboard/runs?figure=ended", "text/html").await;
    assert!(behind.contains(&format!("/runs/{run}")) && !behind.contains("<script>alert"), "{behind}");
    let (status, _, page) = text(&world, "/dashboard?from=2026-02-02&to=2026-02-01", "text/html").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(page.contains("swap"), "{page}");
}

#[tokio::test]
async fn a_plot_has_words_for_who_does_not_see_it() {
    let world = World::new().await;
    let today = chrono::Utc::now().date_naive();
    let row = "insert into run_measure (run, counted_at, day, product, tier, cycle_ms, loop_minutes, first_pull_minutes, figures)
               values (gen_random_uuid(), now(), (now() at time zone 'utc')::date, 'wealth', 'low', 5000, 60, 60,
                       '{\"ended\": 1, \"merged\": 1, \"merged.alone\": 1, \"cycle\": 5000, \"cost\": 1500000}')";
    sqlx::query(row).execute(&world.database.pool).await.unwrap();
    measure::rebuild(&world.database.pool).await.unwrap();
    let (_, _, page) = text(&world, "/dashboard", "text/html").await;
    assert!(page.contains(&format!("the most is 1, {today}")), "{page}");
    assert!(page.contains("<svg") && page.contains("<desc>") && page.contains("As a table"));
    assert!(page.contains("$1.5000") && page.contains("100 %"));
    let (_, _, behind) = text(&world, "/dashboard/runs?figure=cost", "text/html").await;
    assert!(behind.contains("deleted by retention") && behind.contains("$1.5000"), "{behind}");
}
