//! The audit log: every change of a person leaves its row in the transaction of the change, and a row that was changed
//! is found.

use std::collections::BTreeSet;

use aspora::{
    core::{
        access::{Access, ROUTES},
        finding::{Finding, Severity},
        requirement::Requirement,
        run::{Awaited, Park, Progress},
        sha::Sha,
        workflow::{Outcome, Queue},
    },
    engine::Asked,
    store::{
        self,
        audit::{Act, Author, Verification, append, verify, verify_in},
        review,
    },
};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{HEAD, World, dependencies, id, post};

/// Rows of the chain that is tampered with.
const ROWS: i64 = 24;
/// How often it is.
const CHANGES: usize = 1000;

/// A request that changes something, by its route, and how the log calls the act.
type Change = (&'static str, &'static str, String, Value, &'static str);

/// The finding that the changes dismiss.
fn finding() -> Finding {
    Finding::new(Severity::High, "a.py", Some(1), "wrong", "x")
}

/// The run whose job is due asks a question.
async fn ask(world: &World) {
    let lease = world.claim(Queue::Llm).await;
    let until = store::run::get(&world.database.pool, lease.run).await.unwrap().unwrap().now;
    let park = Park { awaited: Awaited::Requester, ..Park::new("an answer", vec![], until) };
    let asked = Asked { questions: vec!["What of?".to_owned()], park, edition: 0 };
    world.app.engine.ask(&lease, "w1", &asked).await.unwrap();
}

/// Every change, in an order in which each has an effect.
async fn changes(world: &World) -> Vec<Change> {
    let (_, run) = world.submit("Portfolio risk").await;
    let lease = world.claim(Queue::Llm).await;
    let head: Sha = HEAD.parse().unwrap();
    review::record(&world.database.pool, &lease, &review::New::complete(&head, "one", &[finding()]))
        .await
        .unwrap();
    world.answer(&lease, Outcome::Declined, Progress::default()).await;
    let (vague, asking) = world.submit("Vague").await;
    ask(world).await;
    let depends = dependencies::asking(world).await;
    let (_, live) = world.submit("Another").await;
    let process = uuid::Uuid::from_u128(3);
    store::worker::register(&world.database.pool, process, "vm-3/12", "0.1.0", &[]).await.unwrap();
    let (_, judged) = world.submit("A third").await;
    let state = "update run set state = jsonb_set(state, '{progress}', $1::jsonb) where id = $2";
    let progress = json!({ "head": HEAD, "pull": 7 });
    sqlx::query(state).bind(progress).bind(judged).execute(&world.database.pool).await.unwrap();
    sqlx::query("update person set forge_login = 'ada'").execute(&world.database.pool).await.unwrap();
    let (_, merged) = world.submit("A fourth").await;
    super::merge(world, merged).await;
    let why = json!({ "reason": "because" });
    let (asking, submit) = (format!("/api/v1/runs/{asking}/answers"), "/api/v1/requirements".to_owned());
    let incident = json!({ "product": "wealth", "title": "Rounds are wrong" });
    let opened = send(world, "POST", "/api/v1/harness-gaps", &incident).await.1;
    let no_gap = format!("/api/v1/harness-gaps/{}/dismiss", opened["gap_id"].as_str().unwrap());
    let filed = super::proposals::filed(world, "wealth", "form").await;
    let proposal = |verb: &str| format!("/api/v1/proposals/{filed}/{verb}");
    let (ended, live) = (format!("/api/v1/runs/{run}"), format!("/api/v1/runs/{live}"));
    let judged = format!("/api/v1/runs/{judged}");
    let opinion = json!({ "head_sha": HEAD, "reason": "because" });
    let schedule =
        json!({ "cron": "0 3 * * *", "product": "wealth", "title": "t", "body": "b", "reason": "because" });
    let limit = "/api/v1/limits/model:x".to_owned();
    let (skip, fork) = (
        json!({ "reason": "because", "outcome": "declined" }),
        json!({ "reason": "because", "step": "generate" }),
    );
    let requirement = json!({ "product": "wealth", "title": "x", "body": "y" });
    let vague = |verb: &str| format!("/api/v1/requirements/{vague}/{verb}");
    let amendment = json!({ "body": "Clear now.", "reason": "because" });
    let key = json!({ "person": "Grace", "role": "pm" });
    let product = json!({ "name": "goals", "repository": "acme/goals" });
    let dismiss = format!("{ended}/findings/{}/dismiss", finding().fingerprint);
    vec![
        ("POST", "/api/v1/requirements", submit, requirement, "requirement.submit"),
        ("POST", "/api/v1/harness-gaps", "/api/v1/harness-gaps".to_owned(), incident, "gap.open"),
        ("POST", "/api/v1/harness-gaps/{id}/dismiss", no_gap, why.clone(), "gap.dismiss"),
        ("POST", "/api/v1/proposals/{id}/accept", proposal("accept"), why.clone(), "proposal.accept"),
        ("POST", "/api/v1/proposals/{id}/dismiss", proposal("dismiss"), why.clone(), "proposal.dismiss"),
        (
            "POST",
            "/api/v1/runs/{id}/dependencies",
            format!("/api/v1/runs/{depends}/dependencies"),
            json!({ "digest": dependencies::digest(), "answer": "yes", "reason": "because" }),
            "run.dependencies",
        ),
        ("POST", "/api/v1/runs/{id}/answers", asking, json!({ "text": "All." }), "run.answer"),
        ("POST", "/api/v1/requirements/{id}/amend", vague("amend"), amendment, "requirement.amend"),
        ("POST", "/api/v1/requirements/{id}/cancel", vague("cancel"), why.clone(), "run.cancel"),
        ("POST", "/api/v1/requirements/{id}/resubmit", vague("resubmit"), json!({}), "requirement.submit"),
        ("POST", "/api/v1/runs/{id}/findings/{fingerprint}/dismiss", dismiss, why.clone(), "finding.dismiss"),
        ("POST", "/api/v1/runs/{id}/approve", format!("{judged}/approve"), opinion.clone(), "run.approve"),
        ("POST", "/api/v1/runs/{id}/reject", format!("{judged}/reject"), opinion.clone(), "run.reject"),
        ("POST", "/api/v1/runs/{id}/withdraw", format!("{judged}/withdraw"), opinion, "run.withdraw"),
        ("POST", "/api/v1/runs/{id}/fork", format!("{ended}/fork"), fork, "run.fork"),
        (
            "POST",
            "/api/v1/runs/{id}/revert",
            format!("/api/v1/runs/{merged}/revert"),
            why.clone(),
            "run.revert",
        ),
        (
            "PUT",
            "/api/v1/runs/{id}/budget",
            format!("{live}/budget"),
            json!({ "tokens": 9, "reason": "because" }),
            "budget.set",
        ),
        ("POST", "/api/v1/runs/{id}/pause", format!("{live}/pause"), why.clone(), "run.pause"),
        ("POST", "/api/v1/runs/{id}/resume", format!("{live}/resume"), why.clone(), "run.resume"),
        ("POST", "/api/v1/runs/{id}/skip", format!("{live}/skip"), skip, "run.skip"),
        ("POST", "/api/v1/runs/{id}/retry", format!("{live}/retry"), why.clone(), "run.retry"),
        ("POST", "/api/v1/runs/{id}/cancel", format!("{live}/cancel"), why.clone(), "run.cancel"),
        (
            "POST",
            "/api/v1/holds",
            "/api/v1/holds".to_owned(),
            json!({ "scope": "product:wealth", "reason": "because" }),
            "hold.put",
        ),
        (
            "POST",
            "/api/v1/holds/release",
            "/api/v1/holds/release".to_owned(),
            json!({ "scope": "product:wealth" }),
            "hold.release",
        ),
        ("POST", "/api/v1/products", "/api/v1/products".to_owned(), product, "product.put"),
        (
            "PATCH",
            "/api/v1/products/{name}",
            "/api/v1/products/goals".to_owned(),
            json!({ "backlog": 7 }),
            "product.put",
        ),
        (
            "PUT",
            "/api/v1/budgets/default",
            "/api/v1/budgets/default".to_owned(),
            json!({ "tokens": 9, "reason": "because" }),
            "budget.set",
        ),
        (
            "POST",
            "/api/v1/workers/{name}/drain",
            "/api/v1/workers/vm-3%2F12/drain".to_owned(),
            why.clone(),
            "worker.drain",
        ),
        (
            "PUT",
            "/api/v1/products/{name}/budget",
            "/api/v1/products/goals/budget".to_owned(),
            json!({ "tokens": 9, "reason": "because" }),
            "budget.set",
        ),
        ("PUT", "/api/v1/limits/{key}", limit.clone(), json!({ "most": 3 }), "limit.set"),
        ("DELETE", "/api/v1/limits/{key}", limit, Value::Null, "limit.remove"),
        ("PUT", "/api/v1/schedules/{name}", "/api/v1/schedules/n".to_owned(), schedule, "schedule.put"),
        (
            "POST",
            "/api/v1/schedules/{name}/pause",
            "/api/v1/schedules/n/pause".to_owned(),
            why.clone(),
            "schedule.pause",
        ),
        (
            "POST",
            "/api/v1/schedules/{name}/resume",
            "/api/v1/schedules/n/resume".to_owned(),
            why,
            "schedule.resume",
        ),
        (
            "DELETE",
            "/api/v1/schedules/{name}",
            "/api/v1/schedules/n".to_owned(),
            Value::Null,
            "schedule.remove",
        ),
        (
            "DELETE",
            "/api/v1/products/{name}",
            "/api/v1/products/goals".to_owned(),
            Value::Null,
            "product.remove",
        ),
        ("POST", "/api/v1/keys", "/api/v1/keys".to_owned(), key, "key.create"),
        (
            "POST",
            "/api/v1/keys/{id}/link",
            format!("/api/v1/keys/{}/link", uuid::Uuid::from_u128(1)),
            json!({ "identity": "ada@acme.example" }),
            "key.link",
        ),
        (
            "POST",
            "/api/v1/subscriptions",
            "/api/v1/subscriptions".to_owned(),
            json!({ "target": "email", "address": "ada@acme.example" }),
            "subscription.create",
        ),
    ]
}

/// The changes that other tests make: they need a run in a state of its own, or a browser. A policy that is tried
/// changes nothing.
const ELSEWHERE: [&str; 28] = [
    "POST /proposals/{id}/accept",
    "POST /proposals/{id}/dismiss",
    "POST /harness-gaps",
    "POST /harness-gaps/{id}/dismiss",
    "POST /api/v1/evidence",
    "POST /api/v1/products/{name}/proposal",
    "POST /api/v1/policy/validate",
    "POST /api/v1/policy/simulate",
    "POST /products/{name}/policy",
    "POST /dead-letters/redrive",
    "DELETE /api/v1/subscriptions/{id}",
    "POST /api/v1/subscriptions/{id}/test",
    "POST /api/v1/subscriptions/{id}/replay",
    "POST /api/v1/outages/{provider}/probe",
    "POST /sign-in",
    "POST /sign-out",
    "POST /requirements",
    "POST /runs/{id}/control",
    "POST /runs/{id}/answers",
    "POST /requirements/{id}/amend",
    "POST /runs/{id}/opinion",
    "POST /runs/{id}/dependencies",
    "POST /runs/{id}/dismiss",
    "POST /api/v1/runs/{id}/run-now",
    "POST /api/v1/runs/{id}/budget/release",
    "POST /api/v1/dead-letters/redrive",
    "POST /api/v1/keys/{id}/revoke",
    "POST /api/v1/webhooks/github",
];

async fn send(world: &World, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let request =
        Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    let reply =
        world.send(request.header("x-request-id", "r-1").body(Body::from(body.to_string())).unwrap()).await;
    (reply.status, reply.body)
}

async fn last(world: &World) -> store::audit::Row {
    let filter = store::audit::Filter { limit: 1, ..Default::default() };
    store::audit::list(&world.database.pool, &filter).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_leaves_its_row() {
    let world = World::new().await;
    let changes = changes(&world).await;
    let tried: BTreeSet<String> = changes.iter().map(|it| format!("{} {}", it.0, it.1)).collect();
    let mutating = ROUTES.iter().filter(|route| route.method != "GET" && route.access != Access::Signed);
    for route in mutating.map(|route| format!("{} {}", route.method, route.path)) {
        assert!(
            tried.contains(&route) || ELSEWHERE.contains(&route.as_str()),
            "no change is tried of {route}"
        );
    }
    for (method, _, path, body, act) in changes {
        let before = world.count("audit").await;
        let (status, answer) = send(&world, method, &path, &body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer}");
        assert_eq!(world.count("audit").await, before + 1, "{method} {path}");
        let row = last(&world).await;
        assert_eq!((row.act.as_str(), row.person.as_str()), (act, crate::support::PERSON), "{method} {path}");
        assert_eq!((row.request_id.as_deref(), row.key_id), (Some("r-1"), Some(uuid::Uuid::from_u128(1))));
        assert!(row.before.is_some() || row.after.is_some(), "{method} {path}");
        if !body["reason"].is_null() {
            assert_eq!(row.reason.as_deref(), Some("because"), "{method} {path}");
        }
    }
    assert!(matches!(verify(&world.database.pool).await.unwrap(), Verification::Sound { .. }));
}

#[tokio::test]
async fn a_control_says_what_was_before_and_a_repeat_leaves_no_row() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let pause = format!("/api/v1/runs/{run}/pause");
    let why = json!({ "reason": "waiting for legal" });
    assert_eq!(send(&world, "POST", &pause, &why).await.0, StatusCode::OK);
    assert_eq!(send(&world, "POST", &pause, &why).await.0, StatusCode::OK);
    let acts = world.get(&format!("/api/v1/runs/{run}/audit")).await.body;
    assert_eq!(acts.as_array().unwrap().len(), 2, "{acts}");
    assert_eq!(acts[1]["before"], json!({ "state": "active", "step": "generate" }));
    assert_eq!(acts[1]["after"]["state"], "paused");
    let page = world.get("/api/v1/audit?limit=1").await.body;
    assert_eq!((&page["items"][0]["act"], &page["next_cursor"]), (&json!("run.pause"), &json!(2)));
    let rest = world.get("/api/v1/audit?cursor=2&person=ada").await.body;
    assert_eq!(
        (&rest["items"][0]["act"], &rest["next_cursor"]),
        (&json!("requirement.submit"), &Value::Null)
    );
    let found = world.get("/api/v1/audit/verification").await.body;
    assert_eq!((&found["sound"], &found["entries"]), (&json!(true), &json!(2)));
}

#[tokio::test]
async fn a_key_is_shown_once_and_revoked_with_its_sessions() {
    let world = World::new().await;
    let new =
        json!({ "person": "Grace", "role": "engineer", "products": ["wealth"], "forge_login": "ghopper" });
    let (status, issued) = send(&world, "POST", "/api/v1/keys", &new).await;
    assert_eq!(status, StatusCode::CREATED, "{issued}");
    let secret = issued["secret"].as_str().unwrap();
    let text: String = sqlx::query_scalar(AssertSqlSafe(
        "select coalesce(string_agg(k::text, ''), '') || (select coalesce(string_agg(a::text, ''), '') from audit a)
         from api_key k",
    ))
    .fetch_one(&world.database.pool)
    .await
    .unwrap();
    assert!(!text.contains(&secret[16..]), "the secret is stored nowhere");
    let bearer = format!("Bearer {secret}");
    let me = Request::get("/api/v1/me").header(header::AUTHORIZATION, &bearer).body(Body::empty()).unwrap();
    let me = world.send_as_is(me).await.body;
    assert_eq!(
        (&me["person"], &me["role"], &me["products"]),
        (&json!("Grace"), &json!("engineer"), &json!(["wealth"]))
    );
    let key = id(&issued["key"]["id"]);
    let listed = world.get("/api/v1/keys").await.body;
    assert_eq!((&listed[0]["state"], listed[0]["last_used_at"].is_string()), (&json!("active"), true));
    let revoke = format!("/api/v1/keys/{key}/revoke");
    for _ in 0..2 {
        let (status, revoked) = send(&world, "POST", &revoke, &json!({ "reason": "lost" })).await;
        assert_eq!((status, &revoked["state"]), (StatusCode::OK, &json!("revoked")));
    }
    assert_eq!(last(&world).await.act, "key.revoke");
    assert_eq!(world.count("audit").await, 2);
    for wrong in [
        json!({ "person": "clock", "role": "pm" }),
        json!({ "person": "x", "role": "boss" }),
        json!({ "person": "x", "role": "pm", "products": [] }),
        json!({ "person": "x", "role": "pm", "products": ["none-such"] }),
        json!({ "person": "x", "role": "pm", "expires_at": "2001-01-01T00:00:00Z" }),
        json!({ "person": "x", "role": "pm", "forge_login": "ghopper" }),
    ] {
        let reply = world.send(post("/api/v1/keys").body(Body::from(wrong.to_string())).unwrap()).await;
        super::is_problem(&reply, 422, "invalid", &wrong.to_string());
    }
}

async fn chain(world: &World) {
    let requirement = Requirement::new("wealth", "t", "b", 3).unwrap();
    for number in 0..ROWS {
        let mut tx = world.database.pool.begin().await.unwrap();
        let author = Author { person: "ada", key: Some(uuid::Uuid::from_u128(1)), request: Some("r") };
        let after = json!({ "number": number, "title": requirement.title });
        let before = (number % 3 > 0).then(|| json!({ "number": number - 1 }));
        let reason = (number % 2 > 0).then_some("because");
        let run = (number % 4 > 0).then(uuid::Uuid::now_v7);
        let act = Act {
            act: "x.y",
            subject: "s",
            run,
            product: Some("wealth"),
            before,
            after: Some(after),
            reason,
        };
        append(&mut tx, author, act).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// A change of the table, and the first row that is then not as it was written.
fn change(dice: &mut impl FnMut(i64) -> i64) -> (String, i64) {
    let row = dice(ROWS) + 1;
    let of_row = |set: &str| format!("update audit set {set} where seq = {row}");
    match dice(16) {
        0 => (of_row("person = person || 'x'"), row),
        1 => (of_row("at = at + interval '1 microsecond'"), row),
        2 => (of_row("act = 'x.z'"), row),
        3 => (of_row("subject = 't'"), row),
        4 => (of_row("run_id = gen_random_uuid()"), row),
        5 => (of_row("product = null"), row),
        6 => (of_row("after = '{\"number\": 99}'"), row),
        7 => (of_row("before = '{}'"), row),
        8 => (of_row("reason = 'other'"), row),
        9 => (of_row("request_id = null"), row),
        10 => (of_row("key_id = null"), row),
        11 => (of_row("digest = sha256(digest)"), row),
        12 => (format!("delete from audit where seq = {row}"), row),
        13 => (format!("delete from audit where seq >= {row}"), row),
        14 => {
            let other = (row % ROWS) + 1;
            let swap = format!(
                "update audit a set at = b.at, after = b.after from audit b
                 where a.seq in ({row}, {other}) and b.seq in ({row}, {other}) and a.seq <> b.seq"
            );
            (swap, row.min(other))
        }
        _ => {
            let put_in = format!(
                "insert into audit (seq, at, person, act, subject, digest)
                 select seq + 1, at, person, act, subject, digest from audit where seq = {ROWS}"
            );
            (put_in, ROWS + 1)
        }
    }
}

async fn tamper(connection: &mut PgConnection, sql: String) -> u64 {
    let done = sqlx::query(AssertSqlSafe(sql.clone())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_random_changes_each_is_found_at_its_first_row() {
    let world = World::new().await;
    chain(&world).await;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut dice = move |sides: i64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        i64::try_from(state % u64::try_from(sides).unwrap()).unwrap()
    };
    let mut tx = world.database.pool.begin().await.unwrap();
    sqlx::query("set local session_replication_role = replica").execute(&mut *tx).await.unwrap();
    for _ in 0..CHANGES {
        let (sql, first) = change(&mut dice);
        sqlx::query("savepoint whole").execute(&mut *tx).await.unwrap();
        assert!(tamper(&mut tx, sql.clone()).await > 0, "{sql}");
        match verify_in(&mut tx).await.unwrap() {
            Verification::Broken { seq, .. } => assert_eq!(seq, first, "{sql}"),
            Verification::Sound { .. } => panic!("not found: {sql}"),
        }
        sqlx::query("rollback to savepoint whole").execute(&mut *tx).await.unwrap();
    }
    assert!(matches!(verify_in(&mut tx).await.unwrap(), Verification::Sound { rows: ROWS, .. }));
}

#[tokio::test]
async fn the_log_is_appended_to_and_never_changed() {
    let world = World::new().await;
    chain(&world).await;
    for sql in ["update audit set person = 'eve'", "delete from audit", "truncate audit"] {
        let refused = sqlx::query(sql).execute(&world.database.pool).await.unwrap_err().to_string();
        assert!(refused.contains("the audit log is append-only"), "{sql}: {refused}");
    }
    let rights: Vec<String> = sqlx::query_scalar(
        "select privilege_type from information_schema.role_table_grants where table_name = 'audit'",
    )
    .fetch_all(&world.database.pool)
    .await
    .unwrap();
    for right in ["UPDATE", "DELETE", "TRUNCATE"] {
        assert!(!rights.iter().any(|it| it == right), "{rights:?}");
    }
    assert!(rights.iter().any(|it| it == "INSERT"), "{rights:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_at_the_same_time_are_chained_one_after_the_other() {
    let world = World::new().await;
    let all = (0..20).map(|number| {
        let (routes, new) =
            (&world, json!({ "product": "wealth", "title": format!("n{number}"), "body": "y" }));
        async move { send(routes, "POST", "/api/v1/requirements", &new).await.0 }
    });
    let statuses = futures::future::join_all(all).await;
    assert!(statuses.iter().all(|status| *status == StatusCode::ACCEPTED), "{statuses:?}");
    assert!(matches!(verify(&world.database.pool).await.unwrap(), Verification::Sound { rows: 20, .. }));
}
