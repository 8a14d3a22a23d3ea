//! Looks back and proposals, over REST and as pages.

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
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Reply, World, id, is_problem, post};

/// An open proposal of a product.
pub(super) async fn filed(world: &World, product: &str, cause: &str) -> Uuid {
    let sql = "insert into proposal (id, product, cause, kind, title, body, runs)
               values ($1, $2, $3, 'harness_case', 'Hold <it>', 'Add a case.', array[$4::uuid]) returning id";
    let query =
        sqlx::query_scalar(sql).bind(Uuid::now_v7()).bind(product).bind(cause).bind(Uuid::from_u128(7));
    query.fetch_one(&world.database.pool).await.unwrap()
}

async fn decide(world: &World, proposal: Uuid, verb: &str, body: Value) -> Reply {
    let path = format!("/api/v1/proposals/{proposal}/{verb}");
    world.send(post(&path).body(Body::from(body.to_string())).unwrap()).await
}

async fn key(world: &World, role: Role, products: Option<Vec<String>>) -> Key {
    let person = format!("{role}").parse().unwrap();
    let new =
        NewKey { person, forge_login: None, role, products, expires_at: None, requests_per_minute: None };
    people::issue(&world.database.pool, &new, "tests").await.unwrap().key
}

async fn as_key(world: &World, key: &Key, method: &str, path: &str, body: &Value) -> Reply {
    let request =
        Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()));
    world.send_as_is(request.body(Body::from(body.to_string())).unwrap()).await
}

/// Sends a form as a browser with a key does; where the answer leads.
async fn submit(world: &World, path: &str, form: &str) -> (StatusCode, String) {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let reply = world.send(request.body(Body::from(form.to_owned())).unwrap()).await;
    let place = reply.headers.get(header::LOCATION).map(|place| place.to_str().unwrap().to_owned());
    (reply.status, place.unwrap_or_default())
}

#[tokio::test]
async fn a_proposal_is_accepted_with_another_text_once_and_dismissed_after_that() {
    let world = World::new().await;
    let proposal = filed(&world, "wealth", "finding:a.py").await;
    let body = json!({ "reason": "it costs a round", "kind": "prompt_note", "text": " Round to cents. " });
    let path = format!("/api/v1/proposals/{proposal}/accept");
    for replayed in [false, true] {
        let request = post(&path).header("idempotency-key", "k1").body(Body::from(body.to_string())).unwrap();
        let reply = world.send(request).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        assert_eq!(reply.headers.contains_key("idempotency-replayed"), replayed);
        let expected = json!([
            "accepted",
            "harness_case",
            "prompt_note",
            "Round to cents.",
            "Add a case.",
            "it costs a round"
        ]);
        let names = ["state", "kind", "accepted_as", "note", "body", "reason"];
        assert_eq!(json!(names.map(|name| reply.body[name].clone())), expected);
    }
    is_problem(
        &decide(&world, proposal, "accept", json!({"reason": "again"})).await,
        409,
        "not-allowed",
        "again",
    );
    let reply = decide(&world, proposal, "dismiss", json!({"reason": "it did not help"})).await;
    assert_eq!((reply.status, &reply.body["state"]), (StatusCode::OK, &json!("dismissed")), "{}", reply.body);
    for verb in ["accept", "dismiss"] {
        let reply = decide(&world, proposal, verb, json!({"reason": "again"})).await;
        is_problem(&reply, 409, "not-allowed", verb);
        assert!(reply.body["detail"].as_str().unwrap().contains("dismissed already"), "{}", reply.body);
    }
    let own = filed(&world, "wealth", "form").await;
    let reply = decide(&world, own, "accept", json!({"reason": "yes"})).await;
    assert_eq!(
        (&reply.body["accepted_as"], &reply.body["note"]),
        (&json!("harness_case"), &json!("Add a case."))
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let world = World::new().await;
    let proposal = filed(&world, "wealth", "form").await;
    for (body, pointer) in [
        (json!({"reason": ""}), "/reason"),
        (json!({"reason": "a\nb"}), "/reason"),
        (json!({"reason": "r", "text": "x".repeat(401)}), "/text"),
        (json!({"reason": "r", "text": " "}), "/text"),
        (json!({"reason": "r", "text": "a\u{202e}b"}), "/text"),
        (json!({"reason": "r", "kind": "poem"}), "/kind"),
        (json!({}), "/?"),
        (json!({"reason": "r", "more": 1}), "/more"),
    ] {
        let reply = decide(&world, proposal, "accept", body.clone()).await;
        assert_eq!(reply.status, 422, "{body}: {}", reply.body);
        if pointer != "/?" {
            assert_eq!(reply.body["errors"][0]["pointer"], pointer, "{body}: {}", reply.body);
        }
    }
    assert_eq!(decide(&world, proposal, "dismiss", json!({"reason": " "})).await.status, 422);
    let unknown = Uuid::from_u128(1);
    for verb in ["accept", "dismiss"] {
        is_problem(&decide(&world, unknown, verb, json!({"reason": "r"})).await, 404, "not-found", verb);
    }
    is_problem(&world.get(&format!("/api/v1/proposals/{unknown}")).await, 404, "not-found", "show");
    is_problem(&world.get("/api/v1/proposals/x").await, 400, "bad-request", "no id");
    for query in ["state=late", "cursor=x", "limit=0", "limit=101", "kind=x"] {
        let reply = world.get(&format!("/api/v1/proposals?{query}")).await;
        is_problem(&reply, 400, "bad-request", query);
    }
    let (_, run) = world.submit("Portfolio risk").await;
    is_problem(&world.get(&format!("/api/v1/runs/{unknown}/look-back")).await, 404, "not-found", "no run");
    let open = world.get(&format!("/api/v1/runs/{run}/look-back")).await.body;
    assert_eq!((&open["state"], open.get("rounds")), (&json!("running"), None), "{open}");
}

#[tokio::test]
async fn proposals_are_listed_page_by_page_by_product_and_state() {
    let world = World::new().await;
    let (name, repository) = ("goals".parse().unwrap(), "acme/goals".parse().unwrap());
    aspora::store::product::put(&world.database.pool, &name, &repository, "main", &[]).await.unwrap();
    let mut all = Vec::new();
    for number in 0..5 {
        all.insert(0, filed(&world, "wealth", &format!("check:{number}")).await);
    }
    filed(&world, "goals", "form").await;
    decide(&world, all[4], "dismiss", json!({"reason": "no"})).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/api/v1/proposals?product=wealth&limit=2{cursor}")).await.body;
        seen.extend(page["items"].as_array().unwrap().iter().map(|it| id(&it["id"])));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, all);
    let count = async |query: &str| {
        world.get(&format!("/api/v1/proposals{query}")).await.body["items"].as_array().unwrap().len()
    };
    assert_eq!((count("").await, count("?state=open").await, count("?state=dismissed").await), (6, 5, 1));
    assert_eq!((count("?product=goals").await, count("?product=none").await), (1, 0));
    let limited = key(&world, Role::Engineer, Some(vec!["goals".to_owned()])).await;
    let listed = as_key(&world, &limited, "GET", "/api/v1/proposals", &Value::Null).await.body;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    let path = format!("/api/v1/proposals/{}", all[0]);
    is_problem(&as_key(&world, &limited, "GET", &path, &Value::Null).await, 404, "not-found", "not theirs");
    let why = json!({"reason": "r"});
    let reply = as_key(&world, &limited, "POST", &format!("{path}/accept"), &why).await;
    is_problem(&reply, 404, "not-found", "not theirs");
    let viewer = key(&world, Role::Viewer, None).await;
    assert_eq!(as_key(&world, &viewer, "GET", &path, &Value::Null).await.status, 200);
    let reply = as_key(&world, &viewer, "POST", &format!("{path}/accept"), &why).await;
    is_problem(&reply, 403, "forbidden", "a viewer decides nothing");
}

#[tokio::test]
async fn a_look_back_is_due_ready_or_gone_and_what_was_said_is_for_who_reads() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let lease = world.claim(Queue::Llm).await;
    world.answer(&lease, Outcome::Declined, Progress::default()).await;
    let path = format!("/api/v1/runs/{run}/look-back");
    assert_eq!(world.get(&path).await.body["state"], "due");
    while measure::fold(&world.database.pool).await.unwrap() > 0 {}
    let pool = &world.database.pool;
    sqlx::query("update run_look_back set body = jsonb_set(body, '{lessons,0,said}', '\"<b>hm</b>\"')")
        .execute(pool)
        .await
        .unwrap();
    let ready = world.get(&path).await.body;
    assert_eq!((&ready["state"], &ready["rounds"]), (&json!("ready"), &json!(0)), "{ready}");
    let lesson = &ready["lessons"][0];
    assert_eq!((&lesson["cause"], &lesson["kind"]), (&json!("declined"), &json!("prompt_note")), "{ready}");
    assert_eq!((&lesson["said"], lesson.get("proposal_id")), (&json!("<b>hm</b>"), None));
    let viewer = key(&world, Role::Viewer, None).await;
    let seen = as_key(&world, &viewer, "GET", &path, &Value::Null).await.body;
    assert_eq!(
        (&seen["lessons"][0]["cause"], seen["lessons"][0].get("said")),
        (&json!("declined"), None),
        "{seen}"
    );
    let proposal = filed(&world, "wealth", "declined").await;
    let ready = world.get(&path).await.body;
    assert_eq!(ready["lessons"][0]["proposal_id"], json!(proposal));
    let page = world.page(&format!("/runs/{run}")).await;
    assert!(page.contains("Looking back") && page.contains("&lt;b&gt;hm&lt;/b&gt;"), "{page}");
    assert!(page.contains(&format!("/products/wealth#proposal-{proposal}")), "{page}");
    sqlx::query("delete from run_look_back").execute(pool).await.unwrap();
    assert_eq!(world.get(&path).await.body["state"], "no_data");
}

#[tokio::test]
async fn the_page_of_a_product_shows_its_proposals_and_takes_decisions() {
    let world = World::new().await;
    let proposal = filed(&world, "wealth", "finding:<a>.py").await;
    let page = world.page("/products/wealth").await;
    assert!(page.contains("Hold &lt;it&gt;") && page.contains("finding:&lt;a&gt;.py"), "{page}");
    assert!(page.contains("/harness-gaps?product=wealth&amp;title=Hold+%3Cit%3E"), "{page}");
    let path = format!("/proposals/{proposal}");
    assert_eq!(submit(&world, &format!("{path}/accept"), "reason=").await.0, 400);
    assert_eq!(submit(&world, &format!("{path}/accept"), "reason=r&kind=poem").await.0, 400);
    let place = format!("/products/wealth#proposal-{proposal}");
    let form = "reason=it+helps&kind=prompt_note&text=Round+to+cents.";
    assert_eq!(submit(&world, &format!("{path}/accept"), form).await, (StatusCode::SEE_OTHER, place.clone()));
    assert_eq!(submit(&world, &format!("{path}/accept"), form).await.0, 409);
    let page = world.page("/products/wealth").await;
    assert!(
        page.contains("Round to cents.") && page.contains("it helps") && page.contains("None is open."),
        "{page}"
    );
    assert_eq!(submit(&world, &format!("{path}/dismiss"), "reason=no").await, (StatusCode::SEE_OTHER, place));
    assert_eq!(submit(&world, "/proposals/x/dismiss", "reason=no").await.0, 404);
    let form = world.page("/harness-gaps?product=wealth&title=Hold+%3Cit%3E&body=Why").await;
    assert!(form.contains(r#"value="Hold &lt;it&gt;""#) && form.contains("Why</textarea>"), "{form}");
}
