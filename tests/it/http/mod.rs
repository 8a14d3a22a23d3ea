//! REST as a caller meets it, over a real Postgres.

mod access;
mod after_merge;
mod audit;
mod dependencies;
mod limits;
mod metrics;
mod oidc;
mod outages;
mod pace;
mod products;
mod proposals;
mod questions;
mod requests;
mod runs;
mod sessions;
mod subscriptions;
mod views;
mod webhooks;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aspora::{
    core::{
        run::Progress,
        workflow::{Outcome, Queue},
    },
    engine::{Answer, Engine},
    http::{self, AppState, IncidentSender, Settings},
    store::{self, job::Lease},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header, request::Builder},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::support::{self, TestDatabase};

const SECRET: &str = "webhook secret of this test";
const MERGED: &str = "fedcba9876543210fedcba9876543210fedcba98";
const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";
const REQUIREMENTS: &str = "/api/v1/requirements";

/// A run that was merged, by hand.
async fn merge(world: &World, run: Uuid) {
    let state = json!({ "is": "ended", "name": "done", "end": "succeeded", "reason": "merged" });
    let progress = json!({ "head": HEAD, "pull": 7, "merged": MERGED });
    let job = "delete from job where run_id = $1";
    sqlx::query(job).bind(run).execute(&world.database.pool).await.unwrap();
    let merged =
        "update run set status = 'ended', ended_as = 'succeeded', ended_at = now(), step = null, pull = 7,
                      state = jsonb_set(jsonb_set(state, '{state}', $1::jsonb), '{progress}', $2::jsonb)
                  where id = $3";
    let done = sqlx::query(merged).bind(state).bind(progress).bind(run).execute(&world.database.pool).await;
    assert_eq!(done.unwrap().rows_affected(), 1);
}

struct World {
    app: AppState,
    routes: Router,
    database: TestDatabase,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl World {
    async fn new() -> Self {
        let database = support::database().await;
        let (name, repository) = ("wealth".parse().unwrap(), "acme/wealth-product".parse().unwrap());
        store::product::put(&database.pool, &name, &repository, "main", &[]).await.unwrap();
        let settings = Settings {
            public_url: "http://aspora.test".to_owned(),
            forge_url: "https://forge.test".to_owned(),
            webhook_secrets: vec![SECRET.to_owned().into()],
            incident_senders: BTreeMap::from([(
                "sentry".to_owned(),
                IncidentSender::sentry(SECRET.to_owned().into()),
            )]),
            forge_is_stand_in: true,
            model_is_stand_in: true,
            ..Settings::default()
        };
        let engine = Engine::open(database.pool.clone()).await.unwrap();
        let app = AppState { engine, settings: Arc::new(settings) };
        Self { routes: http::router(app.clone()), app, database }
    }

    /// Sends a request in the name of the test's person, an admin.
    async fn send(&self, mut request: Request<Body>) -> Reply {
        let key = support::bearer().parse().unwrap();
        request.headers_mut().entry(header::AUTHORIZATION).or_insert(key);
        self.send_as_is(request).await
    }

    async fn send_as_is(&self, request: Request<Body>) -> Reply {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Reply { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// The text of a page.
    async fn page(&self, path: &str) -> String {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, support::bearer().parse().unwrap());
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    async fn submit(&self, title: &str) -> (Uuid, Uuid) {
        let reply = self.send(post(REQUIREMENTS).body(requirement(title)).unwrap()).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.body);
        (id(&reply.body["id"]), id(&reply.body["run_id"]))
    }

    async fn claim(&self, queue: Queue) -> Lease {
        let lease = Duration::from_secs(60);
        support::claim(&self.database.pool, queue, "w1", 1, lease).await.remove(0)
    }

    async fn answer(&self, lease: &Lease, outcome: Outcome, progress: Progress) {
        let answer = Answer { outcome, note: format!("note: {outcome}"), progress };
        self.app.engine.answer(lease, "w1", answer).await.unwrap();
    }

    async fn count(&self, table: &str) -> i64 {
        let query = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        sqlx::query_scalar(query).fetch_one(&self.database.pool).await.unwrap()
    }

    async fn serve(&self) -> (String, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let serving = http::serve(listener, self.app.clone(), stop.clone());
        (url, stop, tokio::spawn(async { serving.await.unwrap() }))
    }
}

fn id(value: &Value) -> Uuid {
    value.as_str().unwrap().parse().unwrap()
}

fn post(path: &str) -> Builder {
    Request::post(path).header(header::CONTENT_TYPE, "application/json")
}

fn requirement(title: &str) -> Body {
    Body::from(json!({ "product": "wealth", "title": title, "body": "All of it." }).to_string())
}

fn is_problem(reply: &Reply, status: u16, code: &str, what: &str) {
    assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.body);
    assert_eq!(reply.body["code"], code, "{what}: {}", reply.body);
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/problem+json", "{what}");
    assert_eq!(reply.body["status"], status, "{what}");
    assert_eq!(reply.body["type"], format!("/problems/{code}"), "{what}");
    assert_eq!(reply.body["request_id"], reply.headers["x-request-id"].to_str().unwrap(), "{what}");
    for field in ["title", "detail", "instance"] {
        assert_ne!(reply.body[field].as_str().unwrap(), "", "{what}: {field}");
    }
    assert!(reply.body["retryable"].is_boolean(), "{what}");
}
