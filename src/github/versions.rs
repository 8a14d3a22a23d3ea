//! The version of the REST API that we speak, and what GitHub announces about its end.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderMap, StatusCode};

use super::{Error, headers::text_of};

/// The version that every call names. docs.github.com "API Versions": a version is supported for at least 24
/// months after the next one (2026-03-10); servers of one's own know this one too.
pub const API_VERSION: &str = "2022-11-28";
/// The header that names it.
pub(super) const API_VERSION_HEADER: &str = "x-github-api-version";
/// How often an announcement is logged.
const OFTEN: Duration = Duration::from_secs(24 * 3600);

/// What GitHub announced about the version that we use.
#[derive(Default)]
pub(super) struct Notices {
    state: Mutex<(Option<String>, Option<Instant>)>,
}

impl Notices {
    /// Reads `Deprecation` and `Sunset`, and logs them once a day.
    pub(super) fn read(&self, headers: &HeaderMap) {
        let Some(notice) = notice(headers) else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.1.is_none_or(|logged| logged.elapsed() >= OFTEN) {
            tracing::warn!("{notice}");
            state.1 = Some(Instant::now());
        }
        state.0 = Some(notice);
    }

    /// The last announcement.
    pub(super) fn last(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

fn notice(headers: &HeaderMap) -> Option<String> {
    let (deprecated, sunset) = (text_of(headers, "deprecation"), text_of(headers, "sunset"));
    deprecated.or(sunset)?;
    let end = match sunset {
        Some(sunset) => format!("ends on {}", sunset.chars().take(60).collect::<String>()),
        None => "is deprecated".to_owned(),
    };
    Some(format!(
        "GitHub's API version {API_VERSION} {end}; after that every call fails, so update Aspora before"
    ))
}

/// A refusal of the version says what to do.
pub(super) fn explain(error: Error) -> Error {
    let ended = error.status() == Some(StatusCode::GONE.as_u16());
    let refused = ended || error.status() == Some(StatusCode::BAD_REQUEST.as_u16());
    if !refused || !error.message().to_ascii_lowercase().contains("version") {
        return error;
    }
    let what = if ended { "no longer supports" } else { "does not know" };
    error.explained(&format!("GitHub {what} API version {API_VERSION}, which Aspora uses: update Aspora"))
}
