//! Faults and switches over HTTP, below `/_twin/`, which is no path of GitHub's: only on a loopback address, and only
//! with the secret of this twin, which is in the file `control` of its folder after the twin's address.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use axum::{
    Json,
    body::to_bytes,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    faults::{Fault, FaultRule},
    shared::Shared,
    webhooks::ContentType,
};

const PREFIX: &str = "/_twin/";
const LARGEST_BODY: usize = 64 << 10;

/// A fault as it is sent: `{"method": "POST", "path": "/repos/*/*/pulls", "nth": 1, "fault": {"kind": "error_before",
/// "status": 502}}`.
#[derive(Debug, Serialize, Deserialize)]
struct Rule {
    #[serde(default = "any")]
    method: String,
    path: String,
    /// Which matching request fails, counted from 1; 0 for every one.
    #[serde(default)]
    nth: u32,
    fault: Kind,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    ErrorBefore { status: u16 },
    ApplyThenError { status: u16 },
    ApplyThenCut,
    Delay { millis: u64 },
    SecondaryLimit { seconds: u32 },
    TooMany { seconds: u32 },
    StaleList,
}

/// What is switched; a field that is left out stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Switches {
    page_size: Option<usize>,
    /// Calls, and within how many seconds; 0 calls in 0 seconds is GitHub's own limit.
    rate_limit: Option<(u64, i64)>,
    rate_limit_status: Option<u16>,
    token_seconds: Option<i64>,
    token_delay_seconds: Option<i64>,
    long_tokens: Option<bool>,
    webhook_content_type: Option<ContentType>,
}

fn any() -> String {
    "*".to_owned()
}

/// The secret of a twin at a URL, made when its folder has none; address and secret are written there.
pub(crate) fn secret(data: &Path, url: &str) -> anyhow::Result<String> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let file = data.join("control");
    let old = std::fs::read_to_string(&file).ok();
    let old =
        old.as_deref().and_then(|text| text.trim().split_once('\n')).map(|(_, secret)| secret.to_owned());
    let secret = old.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
    let mut open = std::fs::OpenOptions::new();
    let opened = open.write(true).create(true).truncate(true).mode(0o600).open(&file);
    opened
        .and_then(|mut opened| opened.write_all(format!("{url}\n{secret}\n").as_bytes()))
        .with_context(|| format!("write {}", file.display()))?;
    Ok(secret)
}

/// Whether a path is the control's.
pub(crate) fn is_control(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Answers a request below `/_twin/`.
pub(crate) async fn answer(shared: &Shared, request: Request) -> Response {
    let value = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let known = value.and_then(|value| value.strip_prefix("Bearer ")) == Some(&*shared.control);
    if !shared.pages || !known {
        return refused(StatusCode::NOT_FOUND, "Not Found");
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let Ok(body) = to_bytes(request.into_body(), LARGEST_BODY).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 64 KiB");
    };
    let done = match (method, path.strip_prefix(PREFIX)) {
        (Method::POST, Some("faults")) => parsed(&body).and_then(|rule: Rule| shared.faults.add(rule.into())),
        (Method::DELETE, Some("faults")) => {
            shared.faults.clear();
            Ok(())
        }
        (Method::PUT, Some("switches")) => parsed(&body).map(|switches: Switches| set(shared, &switches)),
        _ => return refused(StatusCode::NOT_FOUND, "POST or DELETE /_twin/faults, PUT /_twin/switches"),
    };
    match done {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(StatusCode::UNPROCESSABLE_ENTITY, &format!("{error:#}")),
    }
}

fn parsed<T: serde::de::DeserializeOwned>(body: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(body).context("read the body")
}

fn set(shared: &Shared, switches: &Switches) {
    if let Some(most) = switches.page_size {
        shared.set_page_size(most);
    }
    if let Some(limit) = switches.rate_limit {
        shared.quota.set((limit != (0, 0)).then_some(limit));
    }
    if let Some(status) = switches.rate_limit_status {
        shared.quota.set_status(status);
    }
    if let Some(seconds) = switches.token_seconds {
        shared.credentials.set_life(seconds.saturating_mul(1000));
    }
    if let Some(seconds) = switches.token_delay_seconds {
        shared.credentials.set_unknown_for(seconds.saturating_mul(1000));
    }
    if let Some(long) = switches.long_tokens {
        shared.credentials.set_long(long);
    }
    if let Some(content_type) = switches.webhook_content_type {
        shared.host.webhooks.send_as(content_type);
    }
}

impl From<Rule> for FaultRule {
    fn from(rule: Rule) -> Self {
        let fault = match rule.fault {
            Kind::ErrorBefore { status } => Fault::ErrorBefore(status),
            Kind::ApplyThenError { status } => Fault::ApplyThenError(status),
            Kind::ApplyThenCut => Fault::ApplyThenCut,
            Kind::Delay { millis } => Fault::Delay(Duration::from_millis(millis)),
            Kind::SecondaryLimit { seconds } => Fault::SecondaryLimit(seconds),
            Kind::TooMany { seconds } => Fault::TooMany(seconds),
            Kind::StaleList => Fault::StaleList,
        };
        Self { method: rule.method, path: rule.path, nth: rule.nth, fault }
    }
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"message": message}))).into_response()
}
