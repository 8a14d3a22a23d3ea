//! What every response gets: a request id, a time limit, one shape of failure, safe headers.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures::FutureExt as _;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{caller::RequestId, error::Error, problem::Kind};
use crate::http::AppState;

/// How long a request may take until its response begins, including its body.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The header with the request's id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The content security policy of every response but the pages', which set their own: nothing is allowed.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Gives the request an id, ends it in time, and completes the response.
pub(crate) async fn finish(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, route) = (request.method().clone(), route(&request));
    let id = request_id(&request);
    request.extensions_mut().insert(RequestId(id.as_str().into()));
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("request", request.id = %id, method = %request.method(), path);
    let mut response = answer(request, next).instrument(span).await;
    if let Some(error) = response.extensions_mut().remove::<Error>() {
        response = with_body(response, &error, &path, &id);
        // Who asks with a browser gets a page in its place.
        response.extensions_mut().insert(error);
    }
    protect(&mut response);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    app.settings.metrics.request(method.as_str(), &route, response.status().as_u16(), began.elapsed());
    response
}

/// The pattern that a request matched; unknown paths are one.
fn route(request: &Request) -> String {
    let matched = request.extensions().get::<MatchedPath>();
    matched.map_or("unknown", MatchedPath::as_str).to_owned()
}

async fn answer(request: Request, next: Next) -> Response {
    let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(TIME_LIMIT, answering).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("a handler panicked");
            Error::internal().into_response()
        }
        Err(_) => Error::new(Kind::TooSlow, format!("no answer within {TIME_LIMIT:?}")).into_response(),
    }
}

fn with_body(response: Response, error: &Error, path: &str, id: &str) -> Response {
    let problem = error.problem(path, id);
    let (mut parts, _) = response.into_parts();
    let json = HeaderValue::from_static("application/problem+json");
    parts.headers.insert(header::CONTENT_TYPE, json);
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    Response::from_parts(parts, Body::from(body))
}

fn protect(response: &mut Response) {
    let headers = response.headers_mut();
    let safe = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in safe {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// The caller's own id if it is 1 to 64 letters, digits, `-` and `_`, otherwise a new one.
fn request_id(request: &Request) -> String {
    let plain = |text: &&str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
    given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}
