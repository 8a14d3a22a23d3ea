//! The way of each request that is not for a page: hook, faults, routes, hook again, observers, ledger, answer.

use std::sync::{Arc, PoisonError, RwLock, atomic::AtomicU64, atomic::Ordering};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;

use super::{
    Shared,
    faults::Mode,
    http_backend,
    ledger::Entry,
    pages,
    quota::Window,
    routes::{self, Refusal},
};

/// One REST exchange, whole.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Upper case.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As it was sent, without the question mark.
    pub query: String,
    /// Nothing when the body was empty or not JSON.
    pub request_body: Option<Value>,
    /// As it was answered.
    pub status: u16,
    /// Nothing when the body was empty or not JSON.
    pub response_body: Option<Value>,
}

/// One request, as a hook sees it.
#[derive(Debug, Clone)]
pub struct RequestSeen {
    /// Counted from 1 since the twin started.
    pub number: u64,
    /// Upper case.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Whether it asks for a change: anything but a read, and a git push.
    pub mutating: bool,
}

/// When a hook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The request has come, nothing is done yet.
    Before,
    /// What it asked for is done and saved, nothing is answered yet.
    AfterApply,
}

/// Called around each request.
pub type Hook = Arc<dyn Fn(&RequestSeen, Phase) + Send + Sync>;
/// Called with each REST exchange.
pub type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// GitHub refuses larger bodies at REST; pushes of a product are far below it too.
const LARGEST_BODY: usize = 256 << 20;

/// Serves until the twin stops.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let stop = shared.stop.clone();
    let way = Arc::new(Way { shared: Arc::clone(&shared), number: AtomicU64::new(0) });
    let router = routes::all()
        .fallback(elsewhere)
        .method_not_allowed_fallback(async || Refusal::not_found())
        .with_state(shared)
        .layer(middleware::from_fn_with_state(way, pass));
    let served = axum::serve(listener, Router::into_make_service(router))
        .with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the GitHub twin stopped serving");
    }
}

struct Way {
    shared: Arc<Shared>,
    number: AtomicU64,
}

async fn elsewhere(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    if !uri.path().contains(".git/") {
        return Err(Refusal::not_found());
    }
    http_backend::serve(&shared, &method, &uri, &headers, body).await
}

/// Whoever does not wait for the answer does not stop what was begun: GitHub finishes it too.
async fn pass(State(way): State<Arc<Way>>, request: Request, next: Next) -> Response {
    tokio::spawn(async move { answer(&way, request, next).await }).await.unwrap_or_else(|_| cut())
}

async fn answer(way: &Way, request: Request, next: Next) -> Response {
    let shared = &way.shared;
    if shared.stop.is_cancelled() {
        return cut();
    }
    // A look at a page is no request to the API: no fault strikes it and nobody counts it.
    if let Some(page) = pages::answer(shared, request.method(), request.uri().path()).await {
        return page;
    }
    let seen = way.seen(&request);
    tell(&shared.hooks, |hook| hook(&seen, Phase::Before));
    // Git is not counted.
    let window = if http_backend::repository_of(&seen.path).is_some() { None } else { shared.quota.spend() };
    let finish = |answer: Response| {
        named(match window {
            Some(window) => window.told(answer),
            None => answer,
        })
    };
    let fault = shared.faults.strike(&seen.method, &seen.path);
    let refused = match fault {
        _ if window.is_some_and(Window::is_over) => Some(failure(403, "API rate limit exceeded")),
        Some(mode) => refuse_before(mode).await,
        None => None,
    };
    if let Some(refused) = refused {
        shared.ledger.write(entry(&seen, refused.status().as_u16(), false));
        return finish(refused);
    }
    let (answer, applied) = way.serve(&seen, request, next).await;
    tell(&shared.hooks, |hook| hook(&seen, Phase::AfterApply));
    let answer = match fault {
        Some(Mode::ApplyThenError(status)) => (failure(status, "Server Error"), status),
        Some(Mode::ApplyThenCut) => (cut(), 0),
        _ => {
            let status = answer.status().as_u16();
            (answer, status)
        }
    };
    shared.ledger.write(entry(&seen, answer.1, applied));
    finish(answer.0)
}

impl Way {
    fn seen(&self, request: &Request) -> RequestSeen {
        let (method, path) = (request.method(), request.uri().path());
        let push = path.ends_with("/git-receive-pack");
        let read = matches!(*method, Method::GET | Method::HEAD) || path.ends_with("/git-upload-pack");
        RequestSeen {
            number: self.number.fetch_add(1, Ordering::SeqCst) + 1,
            method: method.as_str().to_owned(),
            path: path.to_owned(),
            mutating: push || !read,
        }
    }

    /// Has the routes serve the request, shows the exchange, and says whether something was changed.
    async fn serve(&self, seen: &RequestSeen, request: Request, next: Next) -> (Response, bool) {
        let git = http_backend::repository_of(&seen.path).is_some();
        let allowed = git || self.shared.knows(request.headers());
        let (head, body) = request.into_parts();
        let Ok(sent) = to_bytes(body, LARGEST_BODY).await else {
            return (failure(413, "The request body is larger than 256 MiB or broke off"), false);
        };
        let query = head.uri.query().unwrap_or("").to_owned();
        let answer = if allowed {
            next.run(Request::from_parts(head, Body::from(sent.clone()))).await
        } else {
            Refusal::bad_credentials().into_response()
        };
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let applied = seen.mutating && head.status.is_success();
        if !git {
            let exchange = Exchange {
                method: seen.method.clone(),
                path: seen.path.clone(),
                query,
                request_body: serde_json::from_slice(&sent).ok(),
                status: head.status.as_u16(),
                response_body: serde_json::from_slice(&body).ok(),
            };
            tell(&self.shared.observers, |observer| observer(&exchange));
        }
        (Response::from_parts(head, Body::from(body)), applied)
    }
}

/// What is answered when nothing is to be done; a delay is waited for here.
async fn refuse_before(mode: Mode) -> Option<Response> {
    match mode {
        Mode::ErrorBefore(status) => Some(failure(status, "Server Error")),
        Mode::SecondaryLimit(seconds) => {
            let told =
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            Some(later(failure(403, told), seconds))
        }
        Mode::TooMany(seconds) => Some(later(failure(429, "Too Many Requests"), seconds)),
        Mode::Delay(time) => {
            tokio::time::sleep(time).await;
            None
        }
        Mode::ApplyThenError(_) | Mode::ApplyThenCut => None,
    }
}

fn failure(status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Refusal::new(status, message).into_response()
}

fn later(mut answer: Response, seconds: u32) -> Response {
    answer.headers_mut().insert("retry-after", HeaderValue::from(seconds));
    answer
}

/// A body that breaks before its first byte, so that nothing of the answer is sent.
fn cut() -> Response {
    let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut on purpose")) });
    Response::new(Body::from_stream(broken))
}

/// The answer with a name, as GitHub names each.
fn named(mut answer: Response) -> Response {
    let id = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    if let Ok(id) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert("x-github-request-id", id);
    }
    answer
}

fn entry(seen: &RequestSeen, status: u16, applied: bool) -> Entry {
    Entry {
        number: seen.number,
        method: seen.method.clone(),
        path: seen.path.clone(),
        status,
        mutating: seen.mutating,
        applied,
    }
}

fn tell<T>(listeners: &RwLock<Vec<T>>, call: impl Fn(&T)) {
    listeners.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(call);
}
