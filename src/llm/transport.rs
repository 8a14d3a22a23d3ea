//! One HTTP request: sent once, its answer bounded.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_openai::{error::OpenAIError, middleware::HttpRequestFactory};
use futures::{StreamExt as _, TryStreamExt as _};

use super::{Error, REPLY_LIMIT, throttle};
use crate::core::rate::Observed;

/// The most bytes that are read of an answer; each chunk of its text is some 250 bytes of JSON.
const WIRE_LIMIT: usize = 16 * REPLY_LIMIT;
/// The most bytes of one line of the stream, which is buffered until it ends.
const LINE_LIMIT: usize = REPLY_LIMIT / 2;
/// The most bytes that are read of an error's body.
const ERROR_LIMIT: usize = 16 * 1024;

/// Sends one request. Returns the answer, bounded, or our error for any status but success, with what the
/// answer says about limits. `is_over` is set when the answer exceeds a limit.
pub(super) async fn send_once(
    http: reqwest::Client,
    request: HttpRequestFactory,
    is_over: Arc<AtomicBool>,
) -> Result<(Result<reqwest::Response, Error>, Observed), OpenAIError> {
    let response = http.execute(request.build().await?).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    if status.is_success() {
        return Ok((Ok(bounded(response, is_over)), throttle::observed(status, &headers, None)));
    }
    let body = beginning(response).await;
    let error = Error::from_http(status, &headers, &body, chrono::Utc::now());
    let observed = throttle::observed(status, &headers, Some(&error));
    Ok((Err(error), observed))
}

/// The answer, broken off at [`WIRE_LIMIT`] and [`LINE_LIMIT`]: an endless stream or line would fill the memory.
fn bounded(response: reqwest::Response, is_over: Arc<AtomicBool>) -> reqwest::Response {
    let (status, headers) = (response.status(), response.headers().clone());
    let (mut read, mut line) = (0, 0);
    let body = response.bytes_stream().map_err(std::io::Error::other).and_then(move |bytes| {
        read += bytes.len();
        line = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => bytes.len() - end - 1,
            None => line + bytes.len(),
        };
        let fits = read <= WIRE_LIMIT && line <= LINE_LIMIT;
        is_over.fetch_or(!fits, Ordering::Relaxed);
        futures::future::ready(if fits { Ok(bytes) } else { Err(std::io::Error::other("over the limit")) })
    });
    let mut bounded = http::Response::new(reqwest::Body::wrap_stream(body));
    *bounded.status_mut() = status;
    *bounded.headers_mut() = headers;
    bounded.into()
}

/// The first [`ERROR_LIMIT`] bytes of the body.
async fn beginning(response: reqwest::Response) -> String {
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(Ok(bytes)) = stream.next().await {
        body.extend_from_slice(&bytes);
        if body.len() >= ERROR_LIMIT {
            body.truncate(ERROR_LIMIT);
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}
