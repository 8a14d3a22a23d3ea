//! A small GitHub with one App, whose answers a test can replace.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aspora::{
    core::requirement::RepoName,
    github::{AppKey, Config, Credential, Forge, Timeouts},
};
use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair, KeySize},
};
use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use base64::Engine as _;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// One request that the server saw.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Method and path with query.
    pub(super) call: String,
    /// The token behind `Bearer`.
    pub(super) token: String,
    /// `X-GitHub-Api-Version`.
    pub(super) version: String,
    pub(super) body: Value,
}

/// What a test answers itself: `None` leaves it to the App's own routes.
type Answers = Arc<dyn Fn(&Seen) -> Option<Response> + Send + Sync>;

/// A server, and a client of it.
pub(super) struct Stub {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Clone)]
struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    answers: Answers,
}

impl Stub {
    pub(super) async fn new(answers: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static) -> Self {
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let shared = Shared { seen: seen.clone(), answers: Arc::new(answers) };
        let router = Router::new().fallback(answer).with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// A client that acts as the App.
    pub(super) fn app(&self) -> Forge {
        self.with(Credential::App(AppKey::new("12345", &pem().into()).unwrap()))
    }

    pub(super) fn with(&self, credential: Credential) -> Forge {
        Forge::new(self.config(credential)).unwrap()
    }

    pub(super) fn config(&self, credential: Credential) -> Config {
        let timeouts = Timeouts {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(5),
            total: Duration::from_secs(5),
            young: Duration::from_secs(5),
        };
        Config { api_url: self.url.parse().unwrap(), credential, timeouts }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.call).collect()
    }

    /// How many requests there were that contain this.
    pub(super) fn count(&self, part: &str) -> usize {
        self.calls().iter().filter(|call| call.contains(part)).count()
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let header = |name| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let token = header("authorization").unwrap_or_default();
    let seen = Seen {
        call: format!("{} {}", head.method, head.uri),
        token: token.strip_prefix("Bearer ").unwrap_or_default().to_owned(),
        version: header("x-github-api-version").unwrap_or_default(),
        body: Value::Null,
    };
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let seen = Seen { body: serde_json::from_slice(&body).unwrap_or_default(), ..seen };
    let number = {
        let mut all = shared.seen.lock().unwrap();
        all.push(seen.clone());
        all.len()
    };
    (shared.answers)(&seen).unwrap_or_else(|| of_app(&seen, number))
}

/// The App's routes, and a pull request.
fn of_app(seen: &Seen, number: usize) -> Response {
    match seen.call.as_str() {
        "GET /app" => json(200, &json!({"id": 12345, "slug": "aspora-test"})),
        "GET /repos/acme/w/installation" => json(200, &installation(7)),
        "GET /app/installations?per_page=1" => json(200, &json!([installation(7)])),
        "POST /app/installations/7/access_tokens" => {
            json(201, &minted(&format!("ghs_{number}"), TimeDelta::hours(1)))
        }
        "GET /users/aspora-test%5Bbot%5D" => {
            json(200, &json!({"id": 777, "login": "aspora-test[bot]", "type": "Bot"}))
        }
        "GET /repos/acme/w" => json(200, &json!({"id": 99, "full_name": "acme/w"})),
        "GET /repos/acme/w/pulls/7" => json(200, &pull()),
        _ => json(404, &json!({"message": "Not Found"})),
    }
}

pub(super) fn installation(id: u64) -> Value {
    json!({"id": id, "suspended_at": null, "html_url": "https://github.com/settings/installations/7",
        "permissions": {"metadata": "read", "contents": "write", "pull_requests": "write", "checks": "write",
            "actions": "read", "administration": "write", "issues": "write"}})
}

/// A minted token that lives this long by the server's clock.
pub(super) fn minted(token: &str, lives: TimeDelta) -> Value {
    json!({"token": token, "expires_at": Utc::now() + lives, "permissions": {"contents": "write"}})
}

pub(super) fn pull() -> Value {
    let sha = "1111111111111111111111111111111111111111";
    json!({"number": 7, "state": "open", "merged": false, "merge_commit_sha": null, "mergeable": null,
        "head": {"ref": "b", "sha": sha, "repo": {"full_name": "acme/w"}},
        "base": {"ref": "main", "sha": sha}, "user": null, "changed_files": 1, "html_url": "",
        "title": "t", "body": null, "created_at": "2026-11-22T00:00:00Z", "updated_at": "2026-11-22T00:00:00Z"})
}

pub(super) fn json(status: u16, body: &Value) -> Response {
    with_headers(status, &[], body)
}

pub(super) fn with_headers(status: u16, headers: &[(&'static str, &str)], body: &Value) -> Response {
    let mut response = (http::StatusCode::from_u16(status).unwrap(), body.to_string()).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

/// The claims of a JWT.
pub(super) fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// A moment as `Date` shows it.
pub(super) fn date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

pub(super) fn repo() -> RepoName {
    "acme/w".parse().unwrap()
}

/// The one key of these tests, PKCS#8.
pub(super) fn pem() -> String {
    armoured("PRIVATE KEY", &der())
}

/// A key in PEM, as GitHub offers it for download when the label is `RSA PRIVATE KEY`.
pub(super) fn armoured(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

pub(super) fn der() -> Vec<u8> {
    static DER: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        der.as_ref().to_vec()
    });
    DER.clone()
}
