//! A client of the REST API.

mod api;
mod events;

use std::{fmt::Write as _, time::Duration};

use anyhow::Context as _;
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;
use uuid::Uuid;

use crate::api::Problem;

/// How long to wait for a response that is not a stream.
const TIMEOUT: Duration = Duration::from_secs(40);
/// The pause before a request is sent again.
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// How often a request that changes something is sent again.
const RETRIES: u32 = 2;

/// A client of one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    server: String,
    http: reqwest::Client,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No server listens there.
    #[error(
        "no server answers at {0}; start one with `aspora dev`, or name another with --server or ASPORA_SERVER"
    )]
    Unreachable(String),
    /// The server refused the request and said why.
    #[error("{}", explain(.0))]
    Refused(Box<Problem>),
    /// The response is not one of an Aspora server.
    #[error("{server} answered {status}, but it is not an Aspora server; check --server")]
    Unexpected { server: String, status: StatusCode },
    /// The connection broke.
    #[error("the connection to {server} failed: {error}")]
    Broken { server: String, error: reqwest::Error },
}

impl Failure {
    /// The caller is not authorized.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused(problem) if matches!(problem.status, 401 | 403))
    }

    /// The same request can succeed later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Refused(problem) => problem.retryable,
            Self::Unreachable(_) | Self::Broken { .. } => true,
            Self::Unexpected { status, .. } => status.is_server_error(),
        }
    }
}

/// The problem, its details, and for a server error the id to find in the server's log.
fn explain(problem: &Problem) -> String {
    let mut text = problem.detail.clone();
    for fault in problem.errors.iter().filter(|fault| fault.detail != problem.detail) {
        let place = fault.pointer.as_deref().or(fault.parameter.as_deref()).unwrap_or("");
        let _ = write!(text, "\n  {}: {}", place.trim_start_matches('/'), fault.detail);
    }
    if problem.status == 401 {
        text.push_str("\n  set ASPORA_API_KEY to a key of this server");
    }
    if problem.status >= 500 {
        let _ = write!(text, "\n  request {} in the server's log", problem.request_id);
    }
    text
}

impl Client {
    /// A client of the server at this URL, with an API key.
    ///
    /// # Errors
    /// When TLS cannot be initialized, or the key cannot be sent.
    pub(crate) fn new(server: &Url, key: Option<&str>) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let value = HeaderValue::from_str(&format!("Bearer {key}"));
            let mut value = value.context("the API key holds what no header can: check ASPORA_API_KEY")?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let http = reqwest::Client::builder().default_headers(headers);
        // A redirect could lead the key to another server.
        let http = http.redirect(reqwest::redirect::Policy::none()).connect_timeout(Duration::from_secs(10));
        let http = http.build()?;
        Ok(Self { server: server.as_str().trim_end_matches('/').to_owned(), http })
    }

    /// Posts under an idempotency key, so that the server acts once even if this has to send it again.
    async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        key: Uuid,
    ) -> Result<T, Failure> {
        let mut retries = 0;
        loop {
            let request = self.request(Method::POST, path).header("idempotency-key", key.to_string());
            match self.json(request.json(body)).await {
                Err(failure)
                    if retries < RETRIES
                        && failure.is_transient()
                        && !matches!(failure, Failure::Unreachable(_)) =>
                {
                    retries += 1;
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                done => return done,
            }
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server)).timeout(TIMEOUT)
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let response = self.send(request).await?;
        let status = response.status();
        response
            .json()
            .await
            .map_err(|error| if error.is_decode() { self.unexpected(status) } else { self.broken(error) })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| {
            if error.is_connect() { Failure::Unreachable(self.server.clone()) } else { self.broken(error) }
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        match response.json().await {
            Ok(problem) => Err(Failure::Refused(Box::new(problem))),
            Err(_) => Err(self.unexpected(status)),
        }
    }

    fn unexpected(&self, status: StatusCode) -> Failure {
        Failure::Unexpected { server: self.server.clone(), status }
    }

    fn broken(&self, error: reqwest::Error) -> Failure {
        Failure::Broken { server: self.server.clone(), error: error.without_url() }
    }
}
