//! The versions of the REST API: docs.github.com "API Versions" and "Breaking changes".

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::refusal::Refusal;

/// The header that chooses a version.
const HEADER: &str = "x-github-api-version";

/// How long a version is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionState {
    /// Without an end so far.
    Supported,
    /// Its end is announced in each answer. Both times are in seconds since 1970.
    Ending {
        /// When it was deprecated.
        deprecated: i64,
        /// When it ends.
        sunset: i64,
    },
    /// Every route answers 410.
    Ended,
}

/// The versions by date, and how long each is served.
#[derive(Debug)]
pub(crate) struct Versions(Mutex<BTreeMap<String, VersionState>>);

/// The version that a request is served with.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    pub(crate) version: String,
    state: VersionState,
}

impl Default for Versions {
    fn default() -> Self {
        let known = ["2022-11-28", "2026-03-10"].map(|date| (date.to_owned(), VersionState::Supported));
        Self(Mutex::new(known.into()))
    }
}

impl Versions {
    pub(crate) fn set(&self, version: &str, state: VersionState) {
        self.lock().insert(version.to_owned(), state);
    }

    /// The version that a request asks for; without one, the oldest that is supported. GitHub's words for the
    /// refusals are not verified, their statuses are.
    pub(crate) fn select(&self, headers: &HeaderMap) -> Result<Selected, Refusal> {
        let known = self.lock();
        let asked = headers.get(HEADER).map(|value| value.to_str().unwrap_or(""));
        let oldest = || known.iter().find(|(_, state)| **state != VersionState::Ended);
        let found = match asked {
            Some(version) => known.get_key_value(version),
            None => oldest(),
        };
        let Some((version, state)) = found else {
            let message = format!("The API version {:?} is not known", asked.unwrap_or(""));
            return Err(Refusal::new(StatusCode::BAD_REQUEST, &message));
        };
        if *state == VersionState::Ended {
            let message = format!("The API version {version} is no longer supported");
            return Err(Refusal::new(StatusCode::GONE, &message));
        }
        Ok(Selected { version: version.clone(), state: *state })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, VersionState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Selected {
    /// Adds the version that was served, and its announced end as RFC 9745 and RFC 8594 write it.
    pub(crate) fn with_headers(&self, mut answer: Response) -> Response {
        let mut add = |name: &'static str, value: String| {
            answer.headers_mut().extend(
                HeaderValue::from_str(&value).map(|value| (http::HeaderName::from_static(name), value)),
            );
        };
        add("x-github-api-version-selected", self.version.clone());
        if let VersionState::Ending { deprecated, sunset } = self.state {
            add("deprecation", format!("@{deprecated}"));
            let end = chrono::DateTime::from_timestamp(sunset, 0).unwrap_or_default();
            add("sunset", end.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        }
        answer
    }
}
