//! Questions and changed requirements as people meet them: who sees the texts, and what forms keep and refuse.

use aspora::{
    core::{
        access::Role,
        requirement::BODY_LIMIT,
        run::{Awaited, Park},
        workflow::Queue,
    },
    engine::{
        Asked,
        people::{self, NewKey},
    },
    store,
};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use super::{World, post};

const HOSTILE: &str = "Which <script>alert(1)</script> limit?";

/// A requirement whose run asks two questions.
async fn asking(world: &World) -> (Uuid, Uuid) {
    let (requirement, run) = world.submit("Portfolio risk").await;
    let lease = world.claim(Queue::Llm).await;
    let until = store::run::get(&world.database.pool, run).await.unwrap().unwrap().now;
    let park = Park { awaited: Awaited::Requester, ..Park::new("ada to answer 2 questions", vec![], until) };
    let questions = vec![HOSTILE.to_owned(), "Of whom?".to_owned()];
    world.app.engine.ask(&lease, "w1", &Asked { questions, park, edition: 0 }).await.unwrap();
    (requirement, run)
}

/// A page as a person with this key sees it; the test's admin without one.
async fn page(world: &World, request: Request<Body>, key: Option<&str>) -> (StatusCode, String, String) {
    let bearer = key.map_or_else(crate::support::bearer, |key| format!("Bearer {key}"));
    let mut request = request;
    request.headers_mut().insert(header::AUTHORIZATION, bearer.parse().unwrap());
    let response = world.routes.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
    let place = parts.headers.get(header::LOCATION).map(|place| place.to_str().unwrap().to_owned());
    (parts.status, place.unwrap_or_default(), text)
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn form(path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(Body::from(body)).unwrap()
}

async fn call(world: &World, path: &str, body: Value) -> super::Reply {
    world.send(post(path).body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn a_viewer_sees_that_a_run_asks_and_not_what() {
    let world = World::new().await;
    let (_, run) = asking(&world).await;
    let new = NewKey {
        person: "vera".parse().unwrap(),
        forge_login: None,
        role: Role::Viewer,
        products: None,
        expires_at: None,
        requests_per_minute: None,
    };
    let key = people::issue(&world.database.pool, &new, "tests").await.unwrap().key;
    let (status, _, seen) = page(&world, get(&format!("/runs/{run}")), Some(key.reveal())).await;
    assert_eq!(status, StatusCode::OK);
    assert!(seen.contains("ada to answer 2 questions") && !seen.contains("Of whom?"), "{seen}");
    let (status, ..) = page(&world, get(&format!("/api/v1/runs/{run}/questions")), Some(key.reveal())).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let events = world.get(&format!("/api/v1/runs/{run}/events")).await.body;
    assert!(!events.to_string().contains("Of whom?"), "the history has no texts: {events}");
}

#[tokio::test]
async fn the_page_of_a_run_asks_and_takes_an_answer_once() {
    let world = World::new().await;
    let (_, run) = asking(&world).await;
    let (_, _, shown) = page(&world, get(&format!("/runs/{run}")), None).await;
    assert!(shown.contains("Which &lt;script&gt;alert(1)&lt;/script&gt; limit?"), "{shown}");
    let path = format!("/runs/{run}/answers");
    let half = [("round", "1"), ("answer_1", "kept text"), ("answer_2", "")];
    let (status, _, again) = page(&world, form(&path, &half), None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.contains("kept text") && again.contains("lack question 2"), "{again}");
    assert!(again.contains(r#"aria-invalid="true""#), "{again}");
    let whole = [("round", "1"), ("text", "5 %,\r\nof all")];
    for _ in 0..2 {
        let (status, place, text) = page(&world, form(&path, &whole), None).await;
        assert_eq!((status, place), (StatusCode::SEE_OTHER, format!("/runs/{run}")), "{text}");
    }
    let round = store::question::last(&world.database.pool, run).await.unwrap().unwrap();
    assert_eq!(round.answers.unwrap(), ["5 %,\nof all"]);
    let (status, ..) = page(&world, form(&path, &[("round", "1"), ("text", "6 %")]), None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(world.count("audit where act = 'run.answer'").await, 1);
}

#[tokio::test]
async fn a_text_that_is_too_long_is_kept_by_its_form() {
    let world = World::new().await;
    let (_, _, blank) = page(&world, get("/"), None).await;
    assert!(blank.contains("At most 65536 bytes.") && blank.contains("At most 200 characters."), "{blank}");
    let long = "é".repeat(BODY_LIMIT);
    let token = Uuid::new_v4().to_string();
    let fields = [
        ("product", "wealth"),
        ("title", "t"),
        ("body", long.as_str()),
        ("priority", "3"),
        ("token", token.as_str()),
    ];
    let (status, _, kept) = page(&world, form("/requirements", &fields), None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(kept.contains(&long) && kept.contains("What is wanted has 131072 bytes; the limit is 65536"));
    assert!(kept.contains(r#"aria-invalid="true" aria-describedby="body-hint body-error""#));
}

#[tokio::test]
async fn a_requirement_is_amended_and_submitted_again_on_its_pages() {
    let world = World::new().await;
    let (requirement, run) = asking(&world).await;
    let path = format!("/requirements/{requirement}/amend");
    let (_, _, shown) = page(&world, get(&path), None).await;
    assert!(shown.contains("All of it.") && shown.contains("Portfolio risk"), "{shown}");
    let wrong = [("title", ""), ("body", "kept"), ("reason", "because")];
    let (status, _, again) = page(&world, form(&path, &wrong), None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.contains("Title is empty") && again.contains("kept"), "{again}");
    let right = [("title", "Portfolio risk"), ("body", "At 5 %.\r\n"), ("reason", "because")];
    let (status, place, _) = page(&world, form(&path, &right), None).await;
    assert_eq!((status, place), (StatusCode::SEE_OTHER, format!("/runs/{run}")));
    let diff = world.get(&format!("/api/v1/requirements/{requirement}/amendments")).await.body;
    assert!(diff[0]["diff"].as_str().unwrap().contains("-All of it.\n+At 5 %.\n"), "{diff}");
    let (_, _, amended) = page(&world, get(&format!("/runs/{run}")), None).await;
    assert!(amended.contains("amended 1 time") && amended.contains("withdrawn"), "{amended}");
    let why = json!({ "reason": "because" });
    assert_eq!(call(&world, &format!("/api/v1/requirements/{requirement}/cancel"), why).await.status, 200);
    let (_, _, prefilled) = page(&world, get(&format!("/requirements/{requirement}/resubmit")), None).await;
    assert!(prefilled.contains("At 5 %.") && prefilled.contains(&requirement.to_string()), "{prefilled}");
    let (id, token) = (requirement.to_string(), Uuid::new_v4().to_string());
    let fields = [
        ("product", "wealth"),
        ("title", "Portfolio risk"),
        ("body", "At 3 %."),
        ("priority", "3"),
        ("supersedes", id.as_str()),
        ("token", token.as_str()),
    ];
    let (status, place, text) = page(&world, form("/requirements", &fields), None).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
    let (_, _, new) = page(&world, get(&place), None).await;
    assert!(new.contains("Submitted in place of") && new.contains(&id), "{new}");
    let (_, _, old) = page(&world, get(&format!("/runs/{run}")), None).await;
    assert!(old.contains("Submitted again as") && !old.contains("Edit and submit again"), "{old}");
}

#[tokio::test]
async fn what_takes_the_place_of_another_is_checked() {
    let world = World::new().await;
    let (requirement, _) = asking(&world).await;
    let new = |supersedes: Uuid| json!({ "product": "wealth", "title": "t", "body": "b", "supersedes": supersedes });
    let nobody = call(&world, super::REQUIREMENTS, new(Uuid::now_v7())).await;
    assert_eq!(
        (nobody.status, &nobody.body["errors"][0]["pointer"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("/supersedes"))
    );
    let live = call(&world, super::REQUIREMENTS, new(requirement)).await;
    assert_eq!(live.status, StatusCode::CONFLICT, "{}", live.body);
    assert_eq!(world.count("requirement").await, 1, "nothing is half done");
    let why = json!({ "reason": "because" });
    assert_eq!(call(&world, &format!("/api/v1/requirements/{requirement}/cancel"), why).await.status, 200);
    let done = call(&world, super::REQUIREMENTS, new(requirement)).await;
    assert_eq!((done.status, &done.body["supersedes"]), (StatusCode::ACCEPTED, &json!(requirement)));
}
