//! The table of access, asked of the running routes: each route by nobody, by a key that opens nothing, and by each role
//! with a key for all products, for the product that it is about, and for another.

use aspora::{
    core::access::{Access, Key, Products, ROUTES, Right, Role, Route, Scope},
    engine::people::{self, NewKey},
    http::openapi,
};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Reply, World, is_problem};

/// The methods of the OpenAPI document.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// The routes that are no part of the REST API.
const BESIDE: [&str; 39] = [
    "POST /proposals/{id}/accept",
    "POST /proposals/{id}/dismiss",
    "GET /dashboard",
    "GET /dashboard/runs",
    "GET /harness-gaps",
    "POST /harness-gaps",
    "GET /harness-gaps/{id}",
    "POST /harness-gaps/{id}/dismiss",
    "GET /runs/{id}/evidence",
    "GET /runs/{id}/evidence/{hash}",
    "GET /runs/{id}/evidence/{hash}/{after}",
    "GET /products/{name}/policy",
    "POST /products/{name}/policy",
    "GET /pulls",
    "GET /products",
    "GET /products/{name}",
    "GET /dead-letters",
    "POST /dead-letters/redrive",
    "GET /",
    "GET /openapi.json",
    "GET /problems/{code}",
    "GET /assets/{digest}/{name}",
    "GET /sign-in",
    "POST /sign-in",
    "GET /sign-in/oidc",
    "GET /sign-in/oidc/callback",
    "POST /sign-out",
    "GET /runs/{id}",
    "GET /audit",
    "GET /runs/{id}/diffs/{number}",
    "POST /runs/{id}/control",
    "POST /runs/{id}/opinion",
    "POST /runs/{id}/dependencies",
    "POST /runs/{id}/dismiss",
    "POST /requirements",
    "GET /requirements/{id}/resubmit",
    "GET /requirements/{id}/amend",
    "POST /requirements/{id}/amend",
    "POST /runs/{id}/answers",
];

/// Things of the product `wealth`, for the paths.
struct Things {
    requirement: Uuid,
    run: Uuid,
    gap: Uuid,
    proposal: Uuid,
}

async fn things(world: &World) -> Things {
    let (name, repository) = ("goals".parse().unwrap(), "acme/goals".parse().unwrap());
    aspora::store::product::put(&world.database.pool, &name, &repository, "main", &[]).await.unwrap();
    let (requirement, run) = world.submit("Portfolio risk").await;
    put_schedule(world).await;
    let new = json!({ "product": "wealth", "title": "Rounds are wrong" });
    let opened =
        world.send(ask("POST", "/api/v1/harness-gaps").body(Body::from(new.to_string())).unwrap()).await;
    assert_eq!(opened.status, StatusCode::CREATED, "{}", opened.body);
    let proposal = super::proposals::filed(world, "wealth", "form").await;
    Things { requirement, run, gap: super::id(&opened.body["gap_id"]), proposal }
}

/// Puts the schedule of `wealth`, also after a caller has removed it.
async fn put_schedule(world: &World) {
    let schedule = json!({
        "cron": "0 3 * * *", "product": "wealth", "title": "Nightly", "body": "All of it.", "reason": "weekly",
    });
    let put =
        world.send(ask("PUT", "/api/v1/schedules/nightly").body(Body::from(schedule.to_string())).unwrap());
    assert_eq!(put.await.status, StatusCode::OK);
}

fn ask(method: &str, path: &str) -> axum::http::request::Builder {
    let kind =
        if path.starts_with("/api/") { "application/json" } else { "application/x-www-form-urlencoded" };
    Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, kind)
}

/// The address of a route about these things.
fn address(route: &Route, things: &Things) -> String {
    let id = match route.path {
        path if path.contains("/requirements/") => things.requirement,
        path if path.contains("/harness-gaps/") => things.gap,
        path if path.contains("/proposals/") => things.proposal,
        _ => things.run,
    };
    let name = if route.path.contains("/products/") { "wealth" } else { "nightly" };
    let path = route.path.replace("{id}", &id.to_string()).replace("{name}", name);
    path.replace("{number}", "1")
        .replace("{key}", "model:x")
        .replace("{sender}", "sentry")
        .replace("{product}", "wealth")
        .replace("{provider}", "forge%20api.test")
        .replace("{fingerprint}", "none")
        .replace("{code}", "not-found")
}

async fn issue(world: &World, role: Role, products: Option<&[&str]>) -> Key {
    let products = products.map(|names| names.iter().map(ToString::to_string).collect());
    let person = format!("{role}").parse().unwrap();
    let new =
        NewKey { person, forge_login: None, role, products, expires_at: None, requests_per_minute: None };
    people::issue(&world.database.pool, &new, "tests").await.unwrap().key
}

/// Asks with a body that no handler accepts, so that nothing changes whatever is allowed.
async fn ask_with(world: &World, route: &Route, things: &Things, key: Option<&str>) -> Reply {
    let mut request = ask(route.method, &address(route, things));
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    world.send_as_is(request.body(Body::from("]")).unwrap()).await
}

/// Whether the answer comes from the handler: it was let through.
fn was_let_in(reply: &Reply) -> bool {
    !matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) && !sends_to_sign_in(reply)
}

fn sends_to_sign_in(reply: &Reply) -> bool {
    let place = reply.headers.get(header::LOCATION).and_then(|place| place.to_str().ok());
    reply.status == StatusCode::SEE_OTHER && place.is_some_and(|place| place.starts_with("/sign-in?next="))
}

#[test]
fn every_route_of_the_document_has_a_row_and_every_row_is_of_a_route() {
    let document: Value = serde_json::from_str(&openapi::document().unwrap()).unwrap();
    let mut documented = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in METHODS.iter().filter(|method| operations.get(**method).is_some()) {
            documented.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    let mut rows: Vec<String> = ROUTES.iter().map(|it| format!("{} {}", it.method, it.path)).collect();
    rows.retain(|row| !BESIDE.contains(&row.as_str()));
    rows.sort();
    documented.sort();
    assert_eq!(documented, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_of_a_route_that_is_served() {
    let world = World::new().await;
    let things = things(&world).await;
    for route in ROUTES {
        let reply = ask_with(&world, route, &things, Some(crate::support::key().reveal())).await;
        assert_ne!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{route:?}");
        let unknown = reply.body["detail"].as_str().is_some_and(|text| text.starts_with("there is no route"));
        assert!(!unknown, "{route:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_that_opens_something_nothing_is_answered() {
    let world = World::new().await;
    let (things, pool) = (things(&world).await, &world.database.pool);
    let unknown = Key::new({
        let mut byte = 0_u8;
        move || {
            byte = byte.wrapping_add(3);
            byte
        }
    });
    let (expired, revoked) = (issue(&world, Role::Admin, None).await, issue(&world, Role::Admin, None).await);
    let end = "update api_key set expires_at = now() where prefix = $1";
    sqlx::query(end).bind(expired.prefix()).execute(pool).await.unwrap();
    let id = sqlx::query_scalar("select id from api_key where prefix = $1").bind(revoked.prefix());
    let id: Uuid = id.fetch_one(pool).await.unwrap();
    people::revoke(pool, id, "tests", &"lost".parse().unwrap()).await.unwrap();
    let typo = format!("{}x", &revoked.reveal()[..64]);
    let keys = [
        (None, "unauthenticated"),
        (Some(unknown.reveal()), "bad-key"),
        (Some(expired.reveal()), "bad-key"),
        (Some(revoked.reveal()), "bad-key"),
        (Some(typo.as_str()), "bad-key"),
    ];
    for route in ROUTES {
        for (key, code) in keys {
            let (reply, what) = (ask_with(&world, route, &things, key).await, format!("{route:?} {code}"));
            match route.access {
                Access::Anyone => assert!(was_let_in(&reply) || route.path.starts_with("/sign-in"), "{what}"),
                Access::Signed => is_problem(&reply, 401, "bad-signature", &what),
                Access::Known | Access::May(..) if route.path.starts_with("/api/") => {
                    is_problem(&reply, 401, code, &what);
                    let challenge = reply.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
                    assert!(challenge.starts_with("Bearer realm="), "{what}");
                }
                Access::Known | Access::May(..) => {
                    assert!(!was_let_in(&reply), "{what}: {}", reply.status);
                }
            }
        }
    }
    assert_eq!(world.count("run").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_reaches_what_the_table_says_and_nothing_else() {
    let world = World::new().await;
    let things = things(&world).await;
    let scopes: [Option<&[&str]>; 3] = [None, Some(&["wealth"]), Some(&["goals"])];
    for role in Role::ALL {
        for products in scopes {
            let key = issue(&world, role, products).await;
            put_schedule(&world).await;
            let held = Products::of(products.map(|names| names.iter().map(ToString::to_string).collect()));
            for route in ROUTES {
                let reply = ask_with(&world, route, &things, Some(key.reveal())).await;
                assert_reached(route, role, &held, &reply);
            }
        }
    }
    assert_eq!(world.count("run").await, 2);
}

/// Asserts the answer of a route about `wealth`, or about a list.
fn assert_reached(route: &Route, role: Role, products: &Products, reply: &Reply) {
    let what = format!("{role} {products:?} {route:?}: {} {}", reply.status, reply.body);
    let Access::May(right, scope) = route.access else {
        let guarded = [StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED].contains(&reply.status);
        let is_open = route.access == Access::Signed || route.path == "/sign-in";
        assert!(!guarded || is_open, "{what}");
        return;
    };
    let is_limited = *products != Products::All;
    if !role.has(right) || (is_limited && scope == Scope::Factory) {
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{what}");
    } else if !products.has("wealth") && matches!(scope, Scope::One(_)) {
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{what}");
    } else {
        assert!(was_let_in(reply), "{what}");
        let is_one_of_many = ["{number}", "{hash}", "{after}"].iter().any(|name| route.path.ends_with(name));
        if matches!(scope, Scope::One(_)) && route.method == "GET" && !is_one_of_many {
            assert_eq!(reply.status, StatusCode::OK, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_another_product_is_in_no_list_and_cannot_be_submitted() {
    let world = World::new().await;
    let things = things(&world).await;
    let key = issue(&world, Role::Engineer, Some(&["goals"])).await;
    let bearer = format!("Bearer {}", key.reveal());
    let get = async |path: &str| {
        let request = ask("GET", path).header(header::AUTHORIZATION, &bearer).body(Body::empty()).unwrap();
        let reply = world.send_as_is(request).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.body);
        reply.body
    };
    assert_eq!(get("/api/v1/requirements").await["items"], json!([]));
    assert_eq!(get("/api/v1/requirements?product=wealth").await["items"], json!([]));
    assert_eq!(get("/api/v1/dead-letters").await["items"], json!([]));
    assert_eq!(get("/api/v1/harness-gaps").await["items"], json!([]));
    assert_eq!(get("/api/v1/harness-gaps?product=wealth").await["items"], json!([]));
    assert_eq!(get("/api/v1/schedules").await, json!([]));
    assert_eq!(get("/api/v1/limits").await, json!([]));
    assert_eq!(get("/api/v1/products").await.as_array().unwrap().len(), 1);
    assert_eq!(get("/api/v1/budgets").await[0]["product"], "goals");
    let send = async |method: &str, path: &str, body: Value| {
        let request = ask(method, path).header(header::AUTHORIZATION, &bearer);
        world.send_as_is(request.body(Body::from(body.to_string())).unwrap()).await
    };
    let new = |product: &str| json!({ "product": product, "title": "x", "body": "y" });
    let refused = send("POST", "/api/v1/requirements", new("wealth")).await;
    is_problem(&refused, 422, "unknown-product", "submit");
    let incident = json!({ "product": "wealth", "title": "x" });
    is_problem(&send("POST", "/api/v1/harness-gaps", incident).await, 422, "unknown-product", "an incident");
    assert!(refused.body["detail"].as_str().unwrap().ends_with("known are `goals`"), "{}", refused.body);
    assert_eq!(send("POST", "/api/v1/requirements", new("goals")).await.status, StatusCode::ACCEPTED);
    assert_eq!(get("/api/v1/requirements").await["items"].as_array().unwrap().len(), 1);
    let schedule =
        json!({ "cron": "0 3 * * *", "product": "goals", "title": "t", "body": "b", "reason": "r" });
    let taken = send("PUT", "/api/v1/schedules/nightly", schedule.clone()).await;
    is_problem(&taken, 409, "not-allowed", "a name that another product has");
    assert_eq!(send("PUT", "/api/v1/schedules/weekly", schedule).await.status, StatusCode::OK);
    let missing =
        send("POST", &format!("/api/v1/runs/{}/cancel", things.run), json!({ "reason": "no" })).await;
    is_problem(&missing, 404, "not-found", "cancel");
    assert_eq!(missing.body["detail"], format!("there is no run {}", things.run));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_states_and_no_prompts() {
    let world = World::new().await;
    let things = things(&world).await;
    let of_role = async |role: Role, path: &str| {
        let key = issue(&world, role, None).await;
        let request = ask("GET", path).header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()));
        world.send_as_is(request.body(Body::empty()).unwrap()).await.body
    };
    let path = format!("/api/v1/requirements/{}", things.requirement);
    assert_eq!(of_role(Role::Viewer, &path).await.get("body"), None);
    assert_eq!(of_role(Role::Pm, &path).await["body"], "All of it.");
    assert_eq!(of_role(Role::Viewer, "/api/v1/schedules/nightly").await["body"], "");
    assert_eq!(of_role(Role::Agent, "/api/v1/schedules/nightly").await["body"], "All of it.");
    assert!(!Role::Viewer.has(Right::ReadPayload));
}

#[tokio::test]
async fn the_caller_is_who_asked_and_only_programs_may_name_another() {
    let world = World::new().await;
    let submit = async |key: &Key, by: Value| {
        let mut new = json!({ "product": "wealth", "title": "x", "body": "y" });
        if !by.is_null() {
            new["requested_by"] = by;
        }
        let request = ask("POST", "/api/v1/requirements")
            .header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()));
        world.send_as_is(request.body(Body::from(new.to_string())).unwrap()).await
    };
    let requester = async |reply: &Reply| {
        let id = super::id(&reply.body["id"]);
        let by = aspora::store::requirement::requester(&world.database.pool, id).await.unwrap();
        (by.name, by.login)
    };
    let new = NewKey {
        person: "Grace Hopper".parse().unwrap(),
        forge_login: Some("ghopper".to_owned()),
        role: Role::Pm,
        products: None,
        expires_at: None,
        requests_per_minute: None,
    };
    let grace = people::issue(&world.database.pool, &new, "tests").await.unwrap().key;
    let of_grace = ("Grace Hopper".to_owned(), Some("ghopper".to_owned()));
    assert_eq!(requester(&submit(&grace, Value::Null).await).await, of_grace);
    assert_eq!(requester(&submit(&grace, json!({ "name": "Grace Hopper" })).await).await, of_grace);
    is_problem(&submit(&grace, json!({ "name": "Ada" })).await, 422, "invalid", "another person");
    is_problem(&submit(&grace, json!({ "forge_login": "ada" })).await, 422, "invalid", "another login");
    let agent = issue(&world, Role::Agent, None).await;
    let given = submit(&agent, json!({ "name": "Ada", "forge_login": "ada" })).await;
    assert_eq!(requester(&given).await, ("Ada".to_owned(), Some("ada".to_owned())));
    let eve = NewKey { person: "Eve".parse().unwrap(), forge_login: Some("GHopper".to_owned()), ..new };
    let taken = people::issue(&world.database.pool, &eve, "tests");
    assert_eq!(taken.await.unwrap_err().to_string(), "the login `GHopper` is linked to Grace Hopper");
}

#[tokio::test]
async fn a_strangers_name_and_a_strangers_page_are_refused() {
    let world = World::new().await;
    let ask_as = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = ask(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        world.send(request.body(Body::from("]")).unwrap()).await
    };
    let runs = "/api/v1/requirements";
    for path in [runs, "/", "/sign-in", "/openapi.json", "/nowhere"] {
        let reply = ask_as("GET", path, &[("host", "evil.example")]).await;
        is_problem(&reply, 421, "wrong-host", path);
    }
    for host in ["127.0.0.1:8080", "localhost", "aspora.test", "[::1]:1"] {
        assert_eq!(ask_as("GET", runs, &[("host", host)]).await.status, StatusCode::OK, "{host}");
    }
    assert_eq!(ask_as("GET", "/livez", &[("host", "evil.example")]).await.status, StatusCode::OK);
    let foreign = [("host", "aspora.test"), ("origin", "https://evil.example")];
    is_problem(&ask_as("POST", runs, &foreign).await, 403, "foreign-origin", "REST");
    is_problem(&ask_as("POST", "/requirements", &foreign).await, 403, "foreign-origin", "a page");
    is_problem(&ask_as("POST", "/sign-in", &foreign).await, 403, "foreign-origin", "signing in");
    let same = [("host", "aspora.test"), ("origin", "http://aspora.test")];
    is_problem(&ask_as("POST", runs, &same).await, 400, "bad-syntax", "our own page");
}

#[test]
fn the_document_names_who_may_and_every_operation_once() {
    let document: Value = serde_json::from_str(&openapi::document().unwrap()).unwrap();
    assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
    let mut names = std::collections::BTreeSet::new();
    for route in ROUTES {
        let operation = &document["paths"][route.path][route.method.to_lowercase()];
        let Some(name) = operation["operationId"].as_str() else { continue };
        assert!(names.insert(name.to_owned()), "{name} twice");
        let is_open = matches!(route.access, Access::Anyone | Access::Signed);
        assert_eq!(operation["security"].as_array().unwrap().is_empty(), is_open, "{name}");
        let answers = &operation["responses"];
        assert_eq!(answers["401"].is_object(), !is_open || route.access == Access::Signed, "{name}");
        let takes_body = operation["requestBody"].is_object();
        for status in ["413", "415"] {
            assert_eq!(answers[status].is_object(), takes_body, "{name} {status}");
        }
        assert!(answers["default"].is_object(), "{name}");
    }
    assert!(names.len() > 40, "{names:?}");
}
