//! The host of logs: not GitHub's API but a storage elsewhere, which a link leads to for one minute.
//!
//! It is reached by another name of this machine, so that it is another origin to clients, and it refuses a
//! request that brings a token, as Azure's storage does. docs.github.com "Download job logs for a workflow run".

use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use http::{HeaderMap, StatusCode, Uri, header};
use sha2::{Digest as _, Sha256};

use super::shared::Shared;

const FOLDER: &str = "/_logs/";
/// How long a link leads to its log, in seconds.
const LIFETIME: i64 = 60;

/// A link to the log of a job.
pub(crate) fn link(shared: &Shared, repo: &str, job: i64) -> String {
    let base = shared.links.base.replacen("//127.0.0.1", "//localhost", 1);
    let until = Utc::now().timestamp() + LIFETIME;
    format!("{base}{FOLDER}{repo}/{job}?se={until}&sig={}", signature(repo, job, until))
}

/// The answer to a request for a log; `None` for any other request.
pub(crate) fn answer(shared: &Shared, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    let (repo, job) = uri.path().strip_prefix(FOLDER)?.rsplit_once('/')?;
    let job: i64 = job.parse().ok()?;
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()).into_owned().collect();
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let until = value("se").and_then(|text| text.parse().ok()).unwrap_or(0);
    if headers.contains_key(header::AUTHORIZATION) {
        return Some((StatusCode::UNAUTHORIZED, "InvalidAuthenticationInfo").into_response());
    }
    if until < Utc::now().timestamp() || value("sig") != Some(signature(repo, job, until).as_str()) {
        return Some((StatusCode::FORBIDDEN, "AuthenticationFailed").into_response());
    }
    let log = shared.host.with_state(|state| {
        let runs = &state.repositories.get(repo)?.check_runs;
        runs.iter().find(|run| run.id == job)?.log.clone()
    });
    Some(
        log.map_or_else(
            || StatusCode::NOT_FOUND.into_response(),
            axum::response::IntoResponse::into_response,
        ),
    )
}

fn signature(repo: &str, job: i64, until: i64) -> String {
    hex::encode(&Sha256::digest(format!("log {repo} {job} {until}"))[..16])
}
