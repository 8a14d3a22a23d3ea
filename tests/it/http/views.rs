//! The list and its views, over REST and as a page; and that browsers get pages for whatever goes wrong.

use aspora::{
    core::{
        access::{Key, Role},
        run::{Awaited, Park, PauseCause, Progress, Topic},
        workflow::{Outcome, Queue},
    },
    engine::{
        Asked,
        people::{self, NewKey},
    },
};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use chrono::TimeDelta;
use tower::ServiceExt as _;

use super::{World, is_problem};

async fn issue(world: &World, person: &str, role: Role) -> Key {
    let new = NewKey {
        person: person.parse().unwrap(),
        forge_login: None,
        role,
        products: None,
        expires_at: None,
        requests_per_minute: None,
    };
    people::issue(&world.database.pool, &new, "tests").await.unwrap().key
}

/// The titles of a view, oldest first.
async fn view(world: &World, key: &Key, query: &str) -> Vec<String> {
    let request = Request::get(format!("/api/v1/requirements?{query}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()));
    let reply = world.send_as_is(request.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, StatusCode::OK, "{query}: {}", reply.body);
    let items = reply.body["items"].as_array().unwrap();
    items.iter().rev().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}

async fn park(world: &World, awaited: Awaited, reason: &str) {
    let lease = world.claim(Queue::Llm).await;
    let park =
        Park { awaited, ..Park::new(reason, vec![Topic::Reviews], chrono::Utc::now() + TimeDelta::hours(1)) };
    world.app.engine.park(&lease, "host/1", park, Progress::default()).await.unwrap();
}

async fn page(world: &World, path: &str, key: Option<&Key>) -> (u16, String, String) {
    let mut request = Request::get(path).header(header::ACCEPT, "text/html,*/*;q=0.8");
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()));
    }
    let response = world.routes.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let kind =
        response.headers().get(header::CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap()).to_owned();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, kind, String::from_utf8_lossy(&bytes).into_owned())
}

/// One requirement of the person `ada` in each place, in this order.
async fn places(world: &World) {
    world.submit("answered by its requester").await;
    let lease = world.claim(Queue::Llm).await;
    let until = chrono::Utc::now() + TimeDelta::hours(1);
    let park_it = Park { awaited: Awaited::Requester, ..Park::new("an answer", vec![], until) };
    let asked = Asked { questions: vec!["Which limit?".to_owned()], park: park_it, edition: 0 };
    world.app.engine.ask(&lease, "host/1", &asked).await.unwrap();
    world.submit("approved by others").await;
    park(world, Awaited::Approvers, "1 approval").await;
    world.submit("critical and own").await;
    let tier = Progress { tier: Some(aspora::core::policy::Tier::Critical), ..Progress::default() };
    let lease = world.claim(Queue::Llm).await;
    let park_it = Park { awaited: Awaited::Approvers, ..Park::new("1 approval", vec![], chrono::Utc::now()) };
    world.app.engine.park(&lease, "host/1", park_it, tier).await.unwrap();
    world.submit("checked by machines").await;
    park(world, Awaited::Machines, "2 checks").await;
    world.submit("without money").await;
    let lease = world.claim(Queue::Llm).await;
    world.app.engine.halt(&lease, "host/1", PauseCause::Budget, "the budget is used up").await.unwrap();
    world.submit("given up").await;
    let lease = world.claim(Queue::Llm).await;
    world.app.engine.exhaust(&lease, "host/1", "the forge is gone").await.unwrap();
    world.submit("done").await;
    let lease = world.claim(Queue::Llm).await;
    world.answer(&lease, Outcome::Declined, Progress::default()).await;
    world.submit("at work").await;
}

#[tokio::test]
async fn each_view_has_what_it_says_for_who_reads_it() {
    let world = World::new().await;
    places(&world).await;
    let (ada, eve, pia) = (
        crate::support::key(),
        issue(&world, "Eve", Role::Engineer).await,
        issue(&world, "Pia", Role::Pm).await,
    );
    let check = async |key: &Key, query: &str, expected: &[&str]| {
        assert_eq!(view(&world, key, query).await, expected, "{query}");
    };
    let people = ["answered by its requester", "approved by others", "critical and own"];
    check(&ada, "view=waiting", &[people[0], people[1], people[2], "checked by machines"]).await;
    check(&ada, "view=over-budget", &["without money"]).await;
    check(&ada, "view=stuck", &["given up"]).await;
    check(&ada, "view=needs-me", &[people[0], people[1], "without money", "given up"]).await;
    check(&eve, "view=needs-me", &[people[1], people[2], "without money", "given up"]).await;
    check(&pia, "view=needs-me", &[]).await;
    check(&pia, "view=mine", &[]).await;
    assert_eq!(view(&world, &ada, "view=mine").await.len(), 8);
    check(&ada, "view=needs-me&q=APPROVED", &[people[1]]).await;
    check(&ada, "view=needs-me&state=blocked&product=wealth", &["given up"]).await;
    check(&ada, "view=needs-me&product=goals", &[]).await;
    sqlx::query("update run set updated_at = now() - interval '2 hours'")
        .execute(&world.database.pool)
        .await
        .unwrap();
    check(&ada, "view=stuck", &["checked by machines", "given up", "at work"]).await;
    for (query, parameter) in [("view=stale", "view"), ("state=stuck", "state")] {
        let reply = world.get(&format!("/api/v1/requirements?{query}")).await;
        is_problem(&reply, 400, "bad-request", query);
        assert_eq!(reply.body["errors"][0]["parameter"], parameter);
    }
}

#[tokio::test]
async fn a_list_says_why_each_run_stands_where_it_does() {
    let world = World::new().await;
    places(&world).await;
    let reply = world.get("/api/v1/requirements?limit=100").await.body;
    let items = reply["items"].as_array().unwrap();
    for item in items {
        let run = item["run_id"].as_str().unwrap();
        let why = world.get(&format!("/api/v1/runs/{run}/why")).await.body;
        let (one, other) = (item["why"].as_str().unwrap(), why["sentence"].as_str().unwrap());
        // The seconds may differ.
        let plain = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        assert_eq!(plain(one), plain(other));
    }
    let (status, _, page) = page(&world, "/", Some(&crate::support::key())).await;
    assert_eq!(status, 200);
    assert!(page.contains("has been waiting") && page.contains("needs a person"), "{page}");
    assert!(page.contains("Needs me <span class=\"count\">4</span>"), "{page}");
    assert!(page.contains("href=\"/?view=stuck\"") && page.contains("href=\"/dead-letters\""), "{page}");
}

#[tokio::test]
async fn a_word_that_no_filter_has_is_an_error_and_no_empty_list() {
    let world = World::new().await;
    let key = crate::support::key();
    for query in ["state=stuck", "view=stale", "state=%00"] {
        let (status, kind, text) = page(&world, &format!("/?{query}"), Some(&key)).await;
        assert_eq!((status, kind.as_str()), (400, "text/html; charset=utf-8"), "{query}");
        assert!(text.contains("Invalid request"), "{text}");
    }
}

#[tokio::test]
async fn a_browser_gets_a_page_for_every_address_and_a_program_gets_json() {
    let world = World::new().await;
    let key = crate::support::key();
    for key in [None, Some(&key)] {
        for path in ["/product", "/nope", "/runs/x/y", "/api/v1/nope", "/requirements"] {
            let (status, kind, text) = page(&world, path, key).await;
            let expected = if path == "/requirements" { 405 } else { 404 };
            assert_eq!((status, kind.as_str()), (expected, "text/html; charset=utf-8"), "{path}");
            assert!(text.contains("<main") && text.contains("To the requirements"), "{path}: {text}");
        }
    }
    let (status, kind, text) = page(&world, "/api/v1/requirements?limit=x", Some(&key)).await;
    assert_eq!((status, kind.as_str()), (400, "text/html; charset=utf-8"), "{text}");
    let hostile = "/%3Cscript%3Ealert(1)%3C/script%3E";
    assert!(!page(&world, hostile, None).await.2.contains("<script>alert"));
    is_problem(&world.get("/nope").await, 404, "not-found", "a program");
    let post = Request::post("/nope").header(header::ACCEPT, "text/html").body(Body::empty()).unwrap();
    assert_eq!(world.send_as_is(post).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn dead_letters_have_a_page_that_redrives_what_it_shows() {
    let world = World::new().await;
    places(&world).await;
    let key = crate::support::key();
    let (status, _, text) = page(&world, "/dead-letters", Some(&key)).await;
    assert_eq!(status, 200);
    assert!(text.contains("the forge is gone") && text.contains("Redrive 1"), "{text}");
    let pia = issue(&world, "Pia", Role::Pm).await;
    let (_, _, text) = page(&world, "/dead-letters", Some(&pia)).await;
    assert!(text.contains("the forge is gone") && !text.contains("Redrive 1"), "{text}");
    let send = async |key: &Key, body: &str| {
        let request = Request::post("/dead-letters/redrive")
            .header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let reply = world.send_as_is(request.body(Body::from(body.to_owned())).unwrap()).await;
        let place = reply.headers.get(header::LOCATION).map(|it| it.to_str().unwrap().to_owned());
        (reply.status.as_u16(), place.unwrap_or_default())
    };
    assert_eq!(send(&pia, "expect=1&reason=again").await.0, 403);
    assert_eq!(send(&key, "expect=1&reason=").await.0, 400);
    assert_eq!(send(&key, "expect=2&reason=again").await.0, 409, "another number than the page showed");
    assert_eq!(send(&key, "id=999&reason=again").await.0, 404);
    let done = send(&key, "expect=1&reason=again").await;
    assert_eq!(done, (303, "/dead-letters?redriven=1&refused=0".to_owned()));
    let (_, _, text) = page(&world, "/dead-letters?redriven=1&refused=0", Some(&key)).await;
    assert!(text.contains("1 dead letter redriven") && text.contains("No dead letter here"), "{text}");
    assert_eq!(world.count("audit where act = 'run.retry'").await, 1);
}
