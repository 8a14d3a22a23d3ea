//! Pages in the hands of a person: signing in with a key, forms that only the session's own pages can send, signing out,
//! and what one is not offered.

use std::sync::Arc;

use aspora::{
    core::access::Role,
    engine::people::{self, NewKey},
    http::{self, AppState, Settings},
};
use axum::{
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{World, post};
use crate::support;

/// An answer that is a page.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Page {
    fn place(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |place| place.to_str().unwrap())
    }
}

async fn ask(world: &World, method: &str, path: &str, cookie: &str, form: &[(&str, &str)]) -> Page {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = Request::builder().method(method).uri(path).header(header::COOKIE, cookie);
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = world.routes.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Page { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

/// Signs in, and returns the cookie.
async fn sign_in(world: &World, key: &str) -> String {
    let page = ask(world, "POST", "/sign-in", "", &[("key", key), ("next", "/?state=active")]).await;
    assert_eq!((page.status, page.place()), (StatusCode::SEE_OTHER, "/?state=active"), "{}", page.text);
    let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

/// The token in the forms of a page.
fn proof(page: &Page) -> &str {
    let (_, rest) = page.text.split_once("name=\"csrf\" value=\"").expect("a form with a proof");
    rest.split('"').next().unwrap()
}

async fn issue(world: &World, role: Role) -> String {
    let person = format!("the {role}").parse().unwrap();
    let new = NewKey {
        person,
        forge_login: None,
        role,
        products: None,
        expires_at: None,
        requests_per_minute: None,
    };
    people::issue(&world.database.pool, &new, "tests").await.unwrap().key.reveal().to_owned()
}

#[tokio::test]
async fn a_person_signs_in_submits_and_signs_out() {
    let world = World::new().await;
    let page = ask(&world, "GET", "/?state=active", "", &[]).await;
    assert_eq!((page.status, page.place()), (StatusCode::SEE_OTHER, "/sign-in?next=%2F%3Fstate%3Dactive"));
    let page = ask(&world, "GET", "/sign-in?next=%2F", "", &[]).await;
    assert!(page.status == StatusCode::OK && page.text.contains("name=\"key\""), "{}", page.text);
    let cookie = sign_in(&world, &issue(&world, Role::Pm).await).await;
    let page = ask(&world, "GET", "/", &cookie, &[]).await;
    assert!(page.text.contains("<strong>the pm</strong> (pm)"), "{}", page.text);
    assert!(!page.text.contains("href=\"/audit\""), "only admins read the log");
    let token = uuid::Uuid::new_v4().to_string();
    let mut form =
        vec![("product", "wealth"), ("title", "t"), ("body", "b"), ("priority", "3"), ("token", &token)];
    for wrong in ["", "0123"] {
        let refused =
            ask(&world, "POST", "/requirements", &cookie, &[&form[..], &[("csrf", wrong)]].concat()).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{wrong}");
    }
    assert_eq!(ask(&world, "POST", "/requirements", &cookie, &form).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.count("requirement").await, 0);
    form.push(("csrf", proof(&page)));
    let made = ask(&world, "POST", "/requirements", &cookie, &form).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let run = ask(&world, "GET", made.place(), &cookie, &[]).await;
    assert!(run.text.contains("submitted by the pm"), "{}", run.text);
    let left = ask(&world, "POST", "/sign-out", &cookie, &[("csrf", proof(&page))]).await;
    assert!(left.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(ask(&world, "GET", "/", &cookie, &[]).await.status, StatusCode::SEE_OTHER);
    let acts: Vec<String> = sqlx::query_scalar("select act from audit where person = 'the pm' order by seq")
        .fetch_all(&world.database.pool)
        .await
        .unwrap();
    assert_eq!(acts, ["session.begin", "requirement.submit", "session.end"]);
}

#[tokio::test]
async fn a_session_reads_over_rest_and_changes_nothing_there() {
    let world = World::new().await;
    let cookie = sign_in(&world, support::key().reveal()).await;
    let me = Request::get("/api/v1/me").header(header::COOKIE, &cookie).body(Body::empty()).unwrap();
    assert_eq!(world.send_as_is(me).await.body["person"], support::PERSON);
    let limit = post("/api/v1/products").header(header::COOKIE, &cookie);
    let body = json!({ "name": "goals", "repository": "acme/goals" }).to_string();
    let refused = world.send_as_is(limit.body(Body::from(body)).unwrap()).await;
    super::is_problem(&refused, 401, "unauthenticated", "a cookie");
}

#[tokio::test]
async fn a_session_ends_unused_after_its_time_and_with_its_key() {
    let world = World::new().await;
    let pool = &world.database.pool;
    for end in [
        "update session set seen_at = now() - interval '121 minutes'",
        "update session set expires_at = now()",
        "update api_key set expires_at = now() where person = 'the engineer'",
    ] {
        let cookie = sign_in(&world, &issue(&world, Role::Engineer).await).await;
        assert_eq!(ask(&world, "GET", "/", &cookie, &[]).await.status, StatusCode::OK);
        sqlx::query(sqlx::AssertSqlSafe(end)).execute(pool).await.unwrap();
        assert_eq!(ask(&world, "GET", "/", &cookie, &[]).await.status, StatusCode::SEE_OTHER, "{end}");
        let update = ask(&world, "GET", "/?fragment=1", &cookie, &[]).await;
        assert_eq!(update.status, StatusCode::UNAUTHORIZED, "a page that follows the list stays where it is");
    }
    let cookie = sign_in(&world, &issue(&world, Role::Engineer).await).await;
    let id = sqlx::query_scalar("select key_id from session order by created_at desc limit 1");
    let id: uuid::Uuid = id.fetch_one(pool).await.unwrap();
    people::revoke(pool, id, "tests", &"lost".parse().unwrap()).await.unwrap();
    assert_eq!(ask(&world, "GET", "/", &cookie, &[]).await.status, StatusCode::SEE_OTHER, "revoked");
    let stored: Vec<Vec<u8>> =
        sqlx::query_scalar("select digest from session").fetch_all(pool).await.unwrap();
    assert!(stored.iter().all(|digest| digest.len() == 32));
}

#[tokio::test]
async fn what_one_may_not_do_is_not_offered() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let address = format!("/runs/{run}");
    let all = ["pause", "cancel", "skip", "retry"];
    for (role, offered) in [
        (Role::Viewer, &all[..0]),
        (Role::Agent, &all[..0]),
        (Role::Pm, &all[..2]),
        (Role::Engineer, &all[..]),
    ] {
        let cookie = sign_in(&world, &issue(&world, role).await).await;
        let page = ask(&world, "GET", &address, &cookie, &[]).await;
        let found = all.iter().filter(|verb| page.text.contains(&format!("name=\"verb\" value=\"{verb}\"")));
        assert_eq!(found.copied().collect::<Vec<_>>(), offered, "{role}");
        assert_eq!(page.text.contains("All of it."), role != Role::Viewer, "{role}");
        let list = ask(&world, "GET", "/", &cookie, &[]).await;
        assert_eq!(
            list.text.contains("id=\"new-requirement\""),
            role.has(aspora::core::access::Right::Submit)
        );
    }
    let cookie = sign_in(&world, &issue(&world, Role::Pm).await).await;
    let page = ask(&world, "GET", &address, &cookie, &[]).await;
    let skip = [("verb", "skip"), ("outcome", "declined"), ("reason", "r"), ("csrf", proof(&page))];
    let refused = ask(&world, "POST", &format!("{address}/control"), &cookie, &skip).await;
    assert!(refused.text.contains("it needs the role `engineer` or `admin`"), "{}", refused.text);
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn ten_wrong_keys_close_the_door_for_a_while() {
    let world = World::new().await;
    let wrong = [("key", "aspora_wrong")];
    for _ in 0..10 {
        let page = ask(&world, "POST", "/sign-in", "", &wrong).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
        assert!(page.text.contains("is not an API key of Aspora"), "{}", page.text);
    }
    let key = support::key();
    let right = [("key", key.reveal())];
    for form in [&wrong[..], &right[..]] {
        let page = ask(&world, "POST", "/sign-in", "", form).await;
        assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(page.headers[header::RETRY_AFTER], "60");
    }
}

#[tokio::test]
async fn the_person_of_this_machine_is_signed_in_without_being_asked() {
    let world = World::new().await;
    let settings = Settings { local_key: Some(support::key()), ..Settings::default() };
    let app = AppState { engine: world.app.engine.clone(), settings: Arc::new(settings) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(http::serve(listener, app, CancellationToken::new()));
    let client =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let first = client.get(format!("{url}/")).send().await.unwrap();
    assert_eq!(first.headers()["location"], "/sign-in?next=%2F");
    let signed_in = client.get(format!("{url}/sign-in?next=%2F")).send().await.unwrap();
    assert_eq!((signed_in.status().as_u16(), &signed_in.headers()["location"]), (303, &"/".parse().unwrap()));
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let page = client.get(format!("{url}/")).header("cookie", cookie).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("<strong>ada</strong> (admin)"));
    let passed_on =
        client.get(format!("{url}/sign-in")).header("x-forwarded-for", "192.0.2.1").send().await.unwrap();
    assert_eq!(passed_on.status().as_u16(), 200, "one is asked for a key");
    assert!(!passed_on.headers().contains_key("set-cookie"));
    let refused = client.get(format!("{url}/api/v1/me")).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 401, "programs need a key here, too");
}
