//! Dependencies that a run asks about, as people meet them: who sees which, and what the form and the route refuse.

use aspora::{
    core::{
        access::Role,
        consent::{Withheld, WithheldBecause},
        dependency::{DependencyList, compare},
        run::{Awaited, Park, Progress},
        workflow::Queue,
    },
    engine::{
        ConsentAsked,
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

use super::World;

const HOSTILE: &str = "<script>alert(1)</script>.whl";

/// What names the set that is asked about.
pub(super) fn digest() -> String {
    "d".repeat(64)
}

/// A run that asks about a package and a file that cannot be read.
pub(super) async fn asking(world: &World) -> Uuid {
    let (_, run) = world.submit("Portfolio risk").await;
    let lease = world.claim(Queue::Llm).await;
    let until = store::run::get(&world.database.pool, run).await.unwrap().unwrap().now;
    let files =
        vec![compare("requirements.txt", None, Some("left-pad==1.3.0\n")), compare(HOSTILE, None, Some("x"))];
    let list = DependencyList::new(files, []);
    let withheld = Withheld { digest: digest(), list, why: WithheldBecause::Unanswered };
    let park = Park { awaited: Awaited::Keepers, ..Park::new("a person's yes or no", vec![], until) };
    let asked = ConsentAsked { withheld, head: None, edition: 0, park, progress: Progress::default() };
    world.app.engine.ask_consent(&lease, "w1", &asked).await.unwrap();
    run
}

/// A key of a person with this role, perhaps with a login on the forge.
async fn key(world: &World, role: Role, login: Option<&str>) -> String {
    let (person, forge_login) = (format!("{role} k").parse().unwrap(), login.map(str::to_owned));
    let new =
        NewKey { person, forge_login, role, products: None, expires_at: None, requests_per_minute: None };
    people::issue(&world.database.pool, &new, "tests").await.unwrap().key.reveal().to_owned()
}

async fn send(world: &World, key: &str, mut request: Request<Body>) -> (StatusCode, String) {
    let bearer = format!("Bearer {key}");
    request.headers_mut().insert(header::AUTHORIZATION, bearer.parse().unwrap());
    let response = world.routes.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap())
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn form(run: Uuid, fields: &[(&str, &str)]) -> Request<Body> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post(format!("/runs/{run}/dependencies"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(Body::from(body)).unwrap()
}

fn said(run: Uuid, body: &Value) -> Request<Body> {
    let request = Request::post(format!("/api/v1/runs/{run}/dependencies"))
        .header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

#[tokio::test]
async fn who_may_not_approve_sees_what_is_asked_and_cannot_answer() {
    let world = World::new().await;
    let run = asking(&world).await;
    let page = format!("/runs/{run}");
    let body = json!({ "digest": digest(), "answer": "yes" });
    let viewer = key(&world, Role::Viewer, None).await;
    let (_, seen) = send(&world, &viewer, get(&page)).await;
    assert!(!seen.contains("left-pad"), "a viewer sees that a run waits, and not for what: {seen}");
    for (role, reads) in [(Role::Viewer, false), (Role::Pm, true), (Role::Agent, true)] {
        let key = key(&world, role, None).await;
        let (status, list) = send(&world, &key, get(&format!("/api/v1{page}/dependencies"))).await;
        assert_eq!(status == StatusCode::OK, reads, "{role}: {list}");
        let (_, shown) = send(&world, &key, get(&page)).await;
        assert_eq!(shown.contains("left-pad ==1.3.0 added (named in requirements.txt)"), reads, "{role}");
        assert!(!shown.contains("Yes, install them"), "{role}");
        assert_eq!(send(&world, &key, said(run, &body)).await.0, StatusCode::FORBIDDEN, "{role}");
        let fields = [("digest", &*digest()), ("answer", "yes")];
        assert_eq!(send(&world, &key, form(run, &fields)).await.0, StatusCode::FORBIDDEN, "{role}");
    }
    let nobody = key(&world, Role::Engineer, None).await;
    let (status, problem) = send(&world, &nobody, said(run, &body)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(problem.contains("no-forge-login"), "{problem}");
    assert_eq!(world.count("consent where answer is not null").await, 0);
}

#[tokio::test]
async fn the_page_shows_what_is_asked_and_takes_an_answer_once() {
    let world = World::new().await;
    let run = asking(&world).await;
    let asha = key(&world, Role::Engineer, Some("asha")).await;
    let (_, shown) = send(&world, &asha, get(&format!("/runs/{run}"))).await;
    assert!(shown.contains("Yes, install them") && shown.contains("left-pad ==1.3.0 added"), "{shown}");
    assert!(shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;.whl: not read"), "{shown}");
    let unclear = [("digest", &*digest()), ("answer", "perhaps")];
    let (status, text) = send(&world, &asha, form(run, &unclear)).await;
    assert!(status.is_client_error() && text.contains("neither yes nor no"), "{status}: {text}");
    let other = [("digest", &*"e".repeat(64)), ("answer", "yes")];
    assert_eq!(send(&world, &asha, form(run, &other)).await.0, StatusCode::CONFLICT);
    let no = [("digest", &*digest()), ("answer", "no"), ("reason", "too young")];
    for _ in 0..2 {
        assert_eq!(send(&world, &asha, form(run, &no)).await.0, StatusCode::SEE_OTHER);
    }
    let (_, shown) = send(&world, &asha, get(&format!("/runs/{run}"))).await;
    assert!(shown.contains("; no by engineer k, ") && shown.contains("too young"), "{shown}");
    assert!(!shown.contains("Yes, install them"), "{shown}");
    assert_eq!(world.count("audit where act = 'run.dependencies'").await, 1);
}
