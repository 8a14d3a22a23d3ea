//! What every request passes through: an id, a time limit, one shape of failure, safe headers.

use std::{panic::AssertUnwindSafe, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures::FutureExt as _;
use tracing::Instrument as _;
use uuid::Uuid;

use super::error::{Error, Kind};

/// How long a request may take until its answer begins, its body included.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The header with the request's id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What JSON may do in a browser: nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// What our pages may do: show their own styles, scripts and pictures and talk to us.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                           connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Gives the request its id, ends it in time, and finishes the answer.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("request", request.id = %id, method = %request.method(), path);
    let mut response = answer(request, next).instrument(span).await;
    if let Some(error) = response.extensions_mut().remove::<Error>() {
        response = with_body(response, &error, &path, &id);
    }
    protect(&mut response);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

async fn answer(request: Request, next: Next) -> Response {
    let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(TIME_LIMIT, answering).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("a handler panicked");
            Error::new(Kind::Internal, "").into_response()
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
    let html = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|it| it.as_bytes().starts_with(b"text/html"));
    let policy = if html { PAGE_POLICY } else { POLICY };
    let headers = response.headers_mut();
    let safe = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in safe {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// The caller's own id if it is a plain word of at most 64 characters, otherwise a new one.
fn request_id(request: &Request) -> String {
    let plain = |text: &&str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
    given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}
