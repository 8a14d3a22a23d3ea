//! The client for webhooks: it follows no redirect, uses no proxy, and reaches no private address unless that is allowed.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
    redirect::Policy,
};
use url::{Host, Url};

use super::{Failure, address::is_public};
use crate::core::words::one_line;

/// The most of an answer that is read, for the words of an error.
const MOST: usize = 200;
/// The longest wait that a target may ask for.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// The client.
#[derive(Debug, Clone)]
pub(super) struct HttpClient {
    client: Client,
    allows_private: bool,
}

/// Looks names up, and leaves out what may not be reached: the address that is checked is the one that is connected to.
#[derive(Debug)]
struct PublicOnly;

/// A name without a public address.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` has only private addresses; ASPORA_NOTIFY_PRIVATE=allow permits them")]
struct Private(String);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|it| is_public(it.ip())).collect();
            if public.is_empty() {
                return Err(Box::new(Private(host)) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

impl HttpClient {
    pub(super) fn new(allows_private: bool, timeout: Duration) -> reqwest::Result<Self> {
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .timeout(timeout)
            .user_agent(concat!("aspora/", env!("CARGO_PKG_VERSION")));
        if !allows_private {
            builder = builder.dns_resolver(Arc::new(PublicOnly));
        }
        Ok(Self { client: builder.build()?, allows_private })
    }

    /// Posts JSON; returns the status of success.
    pub(super) async fn post(
        &self,
        url: &Url,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Result<u16, Failure> {
        // A literal address is not looked up, so that the resolver never sees it.
        if !self.allows_private && literal(url).is_some_and(|ip| !is_public(ip)) {
            let error = Private(url.host_str().unwrap_or_default().to_owned()).to_string();
            return Err(Failure::Final { error, status: None });
        }
        let mut request = self.client.post(url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) => judged(response).await,
            Err(error) => {
                let error = reason(&error.without_url());
                Err(Failure::Retry { error, status: None, after: None })
            }
        }
    }
}

/// The most bytes of an answer to a question.
const ANSWER_LIMIT: usize = 1024 * 1024;

impl HttpClient {
    /// Gets JSON; the status and the text.
    pub(super) async fn get(
        &self,
        url: &Url,
        authorization: Option<String>,
    ) -> Result<(u16, String), String> {
        if !self.allows_private && literal(url).is_some_and(|ip| !is_public(ip)) {
            return Err(Private(url.host_str().unwrap_or_default().to_owned()).to_string());
        }
        let mut request = self.client.get(url.clone()).header(ACCEPT, "application/json");
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let failed = |error: reqwest::Error| reason(&error.without_url());
        let mut response = request.send().await.map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_LIMIT {
                return Err(format!("its answer has over {ANSWER_LIMIT} bytes"));
            }
        }
        let text = String::from_utf8(bytes).map_err(|_| "its answer is not UTF-8".to_owned())?;
        Ok((response.status().as_u16(), text))
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(ip) => Some(ip.into()),
        Host::Ipv6(ip) => Some(ip.into()),
        Host::Domain(_) => None,
    }
}

/// What an answer means for the delivery.
async fn judged(response: Response) -> Result<u16, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(status.as_u16());
    }
    let after = retry_after(&response);
    let error = format!("answered {status}{}", beginning(response).await);
    let status = Some(status.as_u16());
    Err(match status.and_then(|it| StatusCode::from_u16(it).ok()) {
        Some(StatusCode::GONE) => Failure::Gone { error, status },
        Some(StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS) => {
            Failure::Retry { error, status, after }
        }
        Some(status_code) if status_code.is_redirection() => {
            Failure::Final { error: format!("{error}; redirects are not followed"), status }
        }
        Some(status_code) if status_code.is_client_error() => Failure::Final { error, status },
        _ => Failure::Retry { error, status, after },
    })
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

/// The first words of an answer, in one line.
async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= MOST {
            break;
        }
    }
    bytes.truncate(MOST);
    let text = one_line(&String::from_utf8_lossy(&bytes));
    if text.is_empty() { text } else { format!(": {text}") }
}

/// The innermost reason of an error, which says most.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut inner: &dyn Error = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    one_line(&format!("could not be reached: {inner}"))
}
