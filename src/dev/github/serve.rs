//! Serves requests: page, hook, rate limit and fault, routes, hook again, observers, ledger, answer.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    ServiceExt,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use tokio::net::TcpListener;
use tower::Layer as _;

use super::{
    admission::{self, Admission},
    control,
    faults::Fault,
    graphql, http_backend,
    ledger::Entry,
    logs,
    observe::{Exchange, Phase, RequestSeen},
    pages,
    refusal::Refusal,
    routes,
    shared::Shared,
};

/// GitHub's REST routes refuse larger bodies; pushes of a product are far smaller too.
const LARGEST_BODY: usize = 256 << 20;

/// Serves until the twin stops.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let stop = shared.host.stop.clone();
    let router = routes::all()
        .merge(graphql::routes())
        .fallback(git)
        .method_not_allowed_fallback(async || Refusal::not_found())
        .with_state(Arc::clone(&shared));
    // Around the router, so that a request may get another address before its route is chosen.
    let service = middleware::from_fn_with_state(shared, pass).layer(router);
    let served = axum::serve(listener, ServiceExt::<Request>::into_make_service(service))
        .with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the GitHub twin stopped serving");
    }
}

async fn git(
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

/// Runs the request as a task of its own: like GitHub, the twin finishes it even if the client disconnects.
async fn pass(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    tokio::spawn(async move { answer(&shared, request, next).await }).await.unwrap_or_else(|_| cut())
}

/// An answer, and what the ledger says of it.
struct Outcome {
    answer: Response,
    /// 0 when the connection is cut.
    status: u16,
    /// Whether the request changed something.
    applied: bool,
}

impl Outcome {
    fn new(answer: Response, applied: bool) -> Self {
        Self { status: answer.status().as_u16(), answer, applied }
    }
}

async fn answer(shared: &Shared, mut request: Request, next: Next) -> Response {
    if shared.host.stop.is_cancelled() {
        return cut();
    }
    if let Some(log) = logs::answer(shared, request.uri(), request.headers()) {
        return log;
    }
    if control::is_control(request.uri().path()) {
        return control::answer(shared, request).await;
    }
    // Pages are not part of the API: no fault hits them, and they are not counted.
    if let Some(address) = pages::address(shared, request.method(), request.uri().path()) {
        return pages::answer(shared, address, request).await;
    }
    if let Some(uri) = admission::by_name(shared, request.uri()) {
        *request.uri_mut() = uri;
    }
    let seen = seen(shared, &request);
    shared.listeners.call_hooks(&seen, Phase::Before);
    let mut admission = match is_git(&seen) {
        true => Admission::of_git(),
        false => admission::admit(shared, &seen.method, request.uri(), request.headers()),
    };
    let fault = shared.faults.due(&seen.method, &seen.path);
    let limit = admission.is_over_limit().then(|| shared.quota.status());
    let outcome = match refuse(limit, fault).await {
        Some(refused) => Outcome::new(refused, false),
        None => {
            let outcome = forward(shared, &seen, request, next, &mut admission, fault).await;
            shared.listeners.call_hooks(&seen, Phase::AfterApply);
            spoil(outcome, fault)
        }
    };
    shared.ledger.write(Entry {
        number: seen.number,
        method: seen.method,
        path: seen.path,
        status: outcome.status,
        mutating: seen.mutating,
        applied: outcome.applied,
    });
    with_request_id(admission.with_headers(outcome.answer))
}

fn seen(shared: &Shared, request: &Request) -> RequestSeen {
    let (method, path) = (request.method(), request.uri().path());
    let push = path.ends_with("/git-receive-pack");
    let read = matches!(*method, Method::GET | Method::HEAD) || path.ends_with("/git-upload-pack");
    RequestSeen {
        number: shared.requests.fetch_add(1, Ordering::SeqCst) + 1,
        method: method.as_str().to_owned(),
        path: path.to_owned(),
        mutating: push || !read,
    }
}

fn is_git(seen: &RequestSeen) -> bool {
    http_backend::repository_of(&seen.path).is_some()
}

/// The answer to a request that is not served. A delay is waited for here.
async fn refuse(limit: Option<u16>, fault: Option<Fault>) -> Option<Response> {
    if let Some(status) = limit {
        return Some(failure(status, "API rate limit exceeded"));
    }
    match fault? {
        Fault::ErrorBefore(status) => Some(failure(status, "Server Error")),
        Fault::SecondaryLimit(seconds) => {
            let message =
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            Some(retry_after(failure(403, message), seconds))
        }
        Fault::TooMany(seconds) => Some(retry_after(failure(429, "Too Many Requests"), seconds)),
        Fault::Delay(time) => {
            tokio::time::sleep(time).await;
            None
        }
        Fault::ApplyThenError(_) | Fault::ApplyThenCut | Fault::StaleList => None,
    }
}

/// Passes the request to the routes and shows the exchange to the observers.
async fn forward(
    shared: &Shared,
    seen: &RequestSeen,
    request: Request,
    next: Next,
    admission: &mut Admission,
    fault: Option<Fault>,
) -> Outcome {
    let (mut head, body) = request.into_parts();
    let Ok(sent) = to_bytes(body, LARGEST_BODY).await else {
        let message = "The request body is larger than 256 MiB or incomplete";
        return Outcome::new(failure(413, message), false);
    };
    let query = head.uri.query().unwrap_or("").to_owned();
    let answer = match admission.take_refusal() {
        None => {
            head.extensions.extend(admission.extensions());
            next.run(Request::from_parts(head, Body::from(sent.clone()))).await
        }
        Some(refusal) => refusal.into_response(),
    };
    let (mut head, body) = answer.into_parts();
    let mut body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if seen.method == "GET" && head.status.is_success() && !is_git(seen) {
        let stale = fault == Some(Fault::StaleList);
        body = shared.lists.pass(&format!("{}?{query}", seen.path), body, stale);
        head.headers.remove(header::CONTENT_LENGTH);
    }
    let applied = seen.mutating && head.status.is_success();
    if !is_git(seen) {
        shared.listeners.show(&Exchange {
            charted: admission::is_charted(&seen.method, &seen.path),
            method: seen.method.clone(),
            path: seen.path.clone(),
            query,
            request_body: serde_json::from_slice(&sent).ok(),
            status: head.status.as_u16(),
            response_body: serde_json::from_slice(&body).ok(),
        });
    }
    Outcome::new(Response::from_parts(head, Body::from(body)), applied)
}

/// Replaces the answer to a request that was done, if the fault says so.
fn spoil(outcome: Outcome, fault: Option<Fault>) -> Outcome {
    match fault {
        Some(Fault::ApplyThenError(status)) => {
            Outcome { status, answer: failure(status, "Server Error"), ..outcome }
        }
        Some(Fault::ApplyThenCut) => Outcome { status: 0, answer: cut(), ..outcome },
        _ => outcome,
    }
}

fn failure(status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Refusal::new(status, message).into_response()
}

fn retry_after(mut answer: Response, seconds: u32) -> Response {
    answer.headers_mut().insert("retry-after", HeaderValue::from(seconds));
    answer
}

/// A body that breaks before its first byte, so that nothing of the answer is sent.
fn cut() -> Response {
    let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut on purpose")) });
    Response::new(Body::from_stream(broken))
}

/// Adds the header that identifies a request, as GitHub does.
fn with_request_id(mut answer: Response) -> Response {
    let id = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    if let Ok(id) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert("x-github-request-id", id);
    }
    answer
}
