//! Subscriptions over REST: whose they are, what is never shown, and that each change leaves its row.

use aspora::{
    core::access::{Key, Role},
    engine::people::{self, NewKey},
    notify::SigningSecret,
    store,
};
use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use serde_json::{Value, json};

use super::{Reply, World, id, is_problem};

const SUBSCRIPTIONS: &str = "/api/v1/subscriptions";
const URL: &str = "https://hooks.example/services/very-secret?token=hush";

async fn issue(world: &World, person: &str, role: Role, products: Option<&[&str]>) -> Key {
    let products = products.map(|names| names.iter().map(ToString::to_string).collect());
    let new = NewKey {
        person: person.parse().unwrap(),
        forge_login: None,
        role,
        products,
        expires_at: None,
        requests_per_minute: None,
    };
    people::issue(&world.database.pool, &new, "tests").await.unwrap().key
}

async fn ask(world: &World, key: Option<&Key>, method: Method, path: &str, body: Value) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    request = request.header(header::CONTENT_TYPE, "application/json").header("idempotency-key", "k1");
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()));
    }
    world.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn acts(world: &World) -> Vec<String> {
    let filter = store::audit::Filter { limit: 100, ..Default::default() };
    let rows = store::audit::list(&world.database.pool, &filter).await.unwrap();
    rows.into_iter().rev().map(|row| row.act).filter(|act| act.starts_with("subscription.")).collect()
}

#[tokio::test]
async fn an_address_and_its_secret_are_shown_once_and_recorded_nowhere() {
    let world = World::new().await;
    let new = json!({ "target": "webhook", "address": URL, "kinds": ["merged", "needs_you", "merged"] });
    let made = ask(&world, None, Method::POST, SUBSCRIPTIONS, new.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let secret = made.body["secret"].as_str().unwrap().to_owned();
    assert_eq!(SigningSecret::parse(&secret).unwrap().as_bytes().len(), 32);
    assert_eq!(made.body["address"], "https://hooks.example/…");
    assert_eq!(made.body["kinds"], json!(["needs_you", "merged"]));
    // The same request again makes no second one, and shows no secret.
    let again = ask(&world, None, Method::POST, SUBSCRIPTIONS, new).await;
    assert_eq!((&again.body["id"], &again.body["secret"]), (&made.body["id"], &Value::Null));
    let listed = world.get(SUBSCRIPTIONS).await.body;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let deliveries = format!("{SUBSCRIPTIONS}/{}/deliveries", id(&made.body["id"]));
    let shown = format!("{listed}{}", world.get(&deliveries).await.body);
    for table in ["audit", "idempotency"] {
        let sql = format!("select coalesce(string_agg(t::text, ''), '') from {table} t");
        let text: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&world.database.pool).await.unwrap();
        for hidden in ["very-secret", "hush", &secret[6..]] {
            assert!(!text.contains(hidden) && !shown.contains(hidden), "{table}: {hidden}");
        }
    }
}

#[tokio::test]
async fn a_change_leaves_its_row_and_a_dead_letter_is_replayed_once() {
    let world = World::new().await;
    let new = json!({ "target": "email", "address": "ada@acme.example", "everything": true });
    let made = ask(&world, None, Method::POST, SUBSCRIPTIONS, new).await;
    assert_eq!((made.status, &made.body["secret"]), (StatusCode::CREATED, &Value::Null), "{}", made.body);
    let path = format!("{SUBSCRIPTIONS}/{}", id(&made.body["id"]));
    for _ in 0..2 {
        let sent = ask(&world, None, Method::POST, &format!("{path}/test"), Value::Null).await;
        assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.body);
    }
    let page = world.get(&format!("{path}/deliveries?state=due")).await.body;
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "one key, one message");
    assert_eq!(page["items"][0]["headline"], "Test: Notifications arrive here");
    let replay = format!("{path}/replay");
    let nothing = ask(&world, None, Method::POST, &replay, json!({ "all": true })).await;
    assert_eq!(nothing.body["deliveries"], 0);
    let dead = "update delivery set state = 'dead', error = 'no such mailbox', attempts = 3";
    sqlx::query(dead).execute(&world.database.pool).await.unwrap();
    assert_eq!(world.get(SUBSCRIPTIONS).await.body[0]["state"], "failing");
    for (body, pointer) in [
        (json!({}), "/ids"),
        (json!({ "ids": [] }), "/ids"),
        (json!({ "ids": [id(&page["items"][0]["id"])], "all": true }), "/all"),
    ] {
        let refused = ask(&world, None, Method::POST, &replay, body).await;
        is_problem(&refused, 422, "invalid", pointer);
        assert_eq!(refused.body["errors"][0]["pointer"], pointer);
    }
    let ids = json!({ "ids": [page["items"][0]["id"]] });
    assert_eq!(ask(&world, None, Method::POST, &replay, ids.clone()).await.body["deliveries"], 1);
    assert_eq!(ask(&world, None, Method::POST, &replay, ids).await.body["deliveries"], 0);
    assert_eq!(ask(&world, None, Method::DELETE, &path, Value::Null).await.status, StatusCode::NO_CONTENT);
    is_problem(&ask(&world, None, Method::DELETE, &path, Value::Null).await, 404, "not-found", "again");
    assert_eq!(
        acts(&world).await,
        ["subscription.create", "subscription.test", "subscription.replay", "subscription.remove"]
    );
}

#[tokio::test]
async fn each_person_has_their_own_and_only_admins_subscribe_to_everything() {
    let world = World::new().await;
    let (name, repository) = ("goals".parse().unwrap(), "acme/goals".parse().unwrap());
    store::product::put(&world.database.pool, &name, &repository, "main", &[]).await.unwrap();
    let eve = issue(&world, "Eve", Role::Engineer, Some(&["wealth"])).await;
    let pia = issue(&world, "Pia", Role::Viewer, None).await;
    let mail = |more: Value| {
        let mut new = json!({ "target": "email", "address": "eve@acme.example" });
        new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        new
    };
    let everything =
        ask(&world, Some(&eve), Method::POST, SUBSCRIPTIONS, mail(json!({ "everything": true })));
    is_problem(&everything.await, 403, "forbidden", "an engineer");
    let foreign =
        ask(&world, Some(&eve), Method::POST, SUBSCRIPTIONS, mail(json!({ "products": ["goals"] })));
    is_problem(&foreign.await, 422, "invalid", "another product does not exist");
    let made = ask(&world, Some(&eve), Method::POST, SUBSCRIPTIONS, mail(json!({}))).await;
    assert_eq!(made.body["products"], json!(["wealth"]), "what the key may touch: {}", made.body);
    assert_eq!(made.body["owner"], "Eve");
    let path = format!("{SUBSCRIPTIONS}/{}", id(&made.body["id"]));
    assert_eq!(ask(&world, Some(&pia), Method::GET, SUBSCRIPTIONS, Value::Null).await.body, json!([]));
    for (method, path) in [
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/test")),
        (Method::GET, format!("{path}/deliveries")),
    ] {
        is_problem(&ask(&world, Some(&pia), method, &path, Value::Null).await, 404, "not-found", &path);
    }
    assert_eq!(world.get(SUBSCRIPTIONS).await.body.as_array().unwrap().len(), 1, "an admin sees it");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_stored() {
    let world = World::new().await;
    let webhook = |address: &str| json!({ "target": "webhook", "address": address });
    for (new, pointer) in [
        (json!({ "target": "fax", "address": "1" }), "/target"),
        (webhook("http://127.0.0.1/x"), "/address"),
        (webhook("http://[::ffff:10.0.0.1]/x"), "/address"),
        (webhook("ftp://hooks.example/x"), "/address"),
        (webhook("a\0b"), "/address"),
        (webhook(&format!("https://hooks.example/{}", "x".repeat(2_000))), "/address"),
        (json!({ "target": "email", "address": "ada@acme.example\r\nBcc: x@y.z" }), "/address"),
        (json!({ "target": "webhook", "address": URL, "secret": "short" }), "/secret"),
        (json!({ "target": "slack", "address": URL, "secret": "whsec_x" }), "/secret"),
        (json!({ "target": "slack", "address": URL, "kinds": [] }), "/kinds"),
        (json!({ "target": "slack", "address": URL, "kinds": ["merged", "stuck"] }), "/kinds/1"),
        (json!({ "target": "slack", "address": URL, "products": [] }), "/products"),
        (json!({ "target": "slack", "address": URL, "products": ["none-such"] }), "/products"),
    ] {
        let refused = ask(&world, None, Method::POST, SUBSCRIPTIONS, new.clone()).await;
        is_problem(&refused, 422, "invalid", &new.to_string());
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{new}");
        assert!(!refused.body.to_string().contains("hush"), "what is secret is not quoted");
    }
    assert_eq!(world.count("subscription").await, 0);
}
