//! What can go wrong between us and GitHub, as kinds that a caller can branch on.
//!
//! An error never holds the token, a request's body or a raw page of HTML.

use std::{error::Error as StdError, fmt, io, time::Duration};

use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::core::rate::Wait;

/// The most characters of a message that are kept.
const MESSAGE_LIMIT: usize = 1_000;
/// The wait for a rate limit that names none: GitHub asks for at least a minute.
const UNNAMED_WAIT: Duration = Duration::from_secs(60);
/// The longest wait that is believed: GitHub's windows are an hour long.
const LONGEST_WAIT: Duration = Duration::from_secs(3_660);

/// One failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    status: Option<u16>,
    call: String,
    message: String,
    retry_after: Option<Duration>,
    held_by: Option<String>,
    request_id: Option<String>,
    already_exists: bool,
}

/// What a failure means for what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No answer in time. The act may have happened: look before acting again.
    Timeout,
    /// No connection, or it broke. The act may have happened: look before acting again.
    Connection,
    /// 5xx or 408. The act may have happened: look before acting again.
    Server,
    /// 429, or a 403 that is a limit in disguise. Nothing happened; wait as long as is said.
    RateLimited,
    /// A limit that we share with others held the call back: nothing was sent.
    Held,
    /// 401: the token is wrong, expired or revoked.
    Unauthorized,
    /// 403: the token may not do this.
    Forbidden,
    /// 404: not there, or not visible to the token.
    NotFound,
    /// 405: cannot be done now; of a merge, see [`super::Merge`].
    MethodNotAllowed,
    /// 409: something moved meanwhile.
    Conflict,
    /// 422: GitHub understood and refuses; the message lists its reasons.
    Validation,
    /// 410 or 451: it was there and will not come back.
    Gone,
    /// 3xx: the repository was renamed or moved. Not followed: a POST would turn into a GET.
    Moved,
    /// Any other 4xx: the request is at fault, and would be again.
    Refused,
    /// An answer came that says success, or nothing known, but cannot be read.
    Unreadable,
    /// The request could not be built; nothing was sent.
    Unsent,
}

impl Kind {
    /// Whether the same call may well succeed later with nothing changed on our side.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Timeout | Self::Connection | Self::Server | Self::RateLimited | Self::Held => true,
            Self::Unauthorized
            | Self::Forbidden
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::Conflict
            | Self::Validation
            | Self::Gone
            | Self::Moved
            | Self::Refused
            | Self::Unreadable
            | Self::Unsent => false,
        }
    }

    /// Whether the act may have happened although we were not told.
    #[must_use]
    pub const fn is_ambiguous(self) -> bool {
        matches!(self, Self::Timeout | Self::Connection | Self::Server | Self::Unreadable)
    }

    /// The words that people read.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Timeout => "no answer in time",
            Self::Connection => "connection failed",
            Self::Server => "server error",
            Self::RateLimited => "rate limited",
            Self::Held => "held back",
            Self::Unauthorized => "token refused",
            Self::Forbidden => "not permitted",
            Self::NotFound => "not found",
            Self::MethodNotAllowed => "not possible now",
            Self::Conflict => "conflict",
            Self::Validation => "rejected as invalid",
            Self::Gone => "gone",
            Self::Moved => "moved elsewhere",
            Self::Refused => "request refused",
            Self::Unreadable => "unreadable answer",
            Self::Unsent => "request could not be built",
        }
    }

    /// The whole table of statuses that are no success; a 403 may still turn out a rate limit.
    const fn of(status: u16) -> Self {
        match status {
            300..=399 => Self::Moved,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 | 500..=599 => Self::Server,
            409 => Self::Conflict,
            410 | 451 => Self::Gone,
            422 => Self::Validation,
            429 => Self::RateLimited,
            400 | 402 | 406 | 407 | 411..=421 | 423..=428 | 430..=450 | 452..=499 => Self::Refused,
            0..=299 | 600..=u16::MAX => Self::Unreadable,
        }
    }
}

impl Error {
    /// What the failure means.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The status of the answer, if one came.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// GitHub's own words with its list of reasons, or ours; one line, at most 1,000 characters.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How long to wait; always given for [`Kind::RateLimited`], at most 61 minutes, and for [`Kind::Held`].
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The key of the limit that held the call back; given for [`Kind::Held`] alone.
    #[must_use]
    pub fn held_by(&self) -> Option<&str> {
        self.held_by.as_deref()
    }

    /// GitHub's name for the request, to quote to its support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Whether the same call may well succeed later with nothing changed on our side.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }

    /// Whether the act may have happened although we were not told.
    #[must_use]
    pub const fn is_ambiguous(&self) -> bool {
        self.kind.is_ambiguous()
    }

    /// A 422 because the thing to make is there already: find it and adopt it.
    #[must_use]
    pub const fn is_already_exists(&self) -> bool {
        self.already_exists
    }

    /// An answer that is no success.
    pub(super) fn answered(call: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let complaint = Complaint::read(status, body);
        let limited = status == StatusCode::FORBIDDEN && is_rate_limit(headers, &complaint.message);
        let kind = if limited { Kind::RateLimited } else { Kind::of(status.as_u16()) };
        let retry_after = match kind {
            Kind::RateLimited => Some(wait(headers, Utc::now()).unwrap_or(UNNAMED_WAIT)),
            Kind::Server => named_wait(headers, server_time(headers, Utc::now())),
            Kind::Timeout
            | Kind::Connection
            | Kind::Held
            | Kind::Unauthorized
            | Kind::Forbidden
            | Kind::NotFound
            | Kind::MethodNotAllowed
            | Kind::Conflict
            | Kind::Validation
            | Kind::Gone
            | Kind::Moved
            | Kind::Refused
            | Kind::Unreadable
            | Kind::Unsent => None,
        };
        Self {
            status: Some(status.as_u16()),
            retry_after,
            request_id: text_of(headers, "x-github-request-id").map(plain),
            already_exists: kind == Kind::Validation && complaint.says_it_exists(),
            ..Self::new(kind, call, &complaint.in_one_line())
        }
    }

    /// The call was not made.
    pub(super) fn held(call: &str, wait: Wait) -> Self {
        let (message, retry_after) = (wait.sentence(), Some(wait.wait));
        Self { retry_after, held_by: Some(wait.key), ..Self::new(Kind::Held, call, &message) }
    }

    pub(super) fn timeout(call: String, limit: Duration) -> Self {
        let message = format!("no whole answer within {} ms", limit.as_millis());
        Self::new(Kind::Timeout, call, &message)
    }

    pub(super) fn unreadable(call: String, why: &str) -> Self {
        Self::new(Kind::Unreadable, call, why)
    }

    /// The request could not be built.
    pub(super) fn unsent(call: &str, error: &octocrab::Error) -> Self {
        Self::new(Kind::Unsent, call, &chain(error))
    }

    /// The request went out, or tried to, and no answer's head came back.
    pub(super) fn broken(call: &str, error: &octocrab::Error) -> Self {
        let kind = if timed_out(error) { Kind::Timeout } else { Kind::Connection };
        Self::new(kind, call, &chain(error))
    }

    /// The answer began and its body did not reach its end.
    pub(super) fn cut(call: &str, error: &(dyn StdError + 'static)) -> Self {
        let kind = if error.is::<http_body_util::LengthLimitError>() {
            Kind::Unreadable
        } else if timed_out(error) {
            Kind::Timeout
        } else {
            Kind::Connection
        };
        Self::new(kind, call, &chain(error))
    }

    /// The same error, should some message ever quote the secret.
    pub(super) fn without(mut self, secret: &str) -> Self {
        // A token of a few letters is some test's, and would be found inside of plain words.
        if secret.len() >= 8 && self.message.contains(secret) {
            self.message = self.message.replace(secret, "***");
        }
        self
    }

    fn new(kind: Kind, call: impl Into<String>, message: &str) -> Self {
        Self {
            kind,
            status: None,
            call: call.into(),
            message: plain(message),
            retry_after: None,
            held_by: None,
            request_id: None,
            already_exists: false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.kind.words())?;
        if let Some(status) = self.status {
            write!(f, " ({status})")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.request_id {
            Some(id) => write!(f, " [request {id}]"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {}

/// The JSON that GitHub sends with a failure; everything in it is optional.
#[derive(Debug, Default, Deserialize)]
struct Complaint {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: serde_json::Value,
}

impl Complaint {
    fn read(status: StatusCode, body: &[u8]) -> Self {
        let mut complaint: Self = serde_json::from_slice(body).unwrap_or_default();
        if complaint.message.is_empty() {
            complaint.message = status.canonical_reason().unwrap_or("unknown status").to_owned();
        }
        complaint
    }

    fn reasons(&self) -> impl Iterator<Item = String> {
        let list = match &self.errors {
            serde_json::Value::Array(list) => list.as_slice(),
            serde_json::Value::Null => &[],
            one => std::slice::from_ref(one),
        };
        list.iter().map(|reason| match reason {
            serde_json::Value::String(text) => text.clone(),
            other => match other.get("message").and_then(serde_json::Value::as_str) {
                Some(text) => text.to_owned(),
                None => ["resource", "field", "code"]
                    .iter()
                    .filter_map(|key| other.get(key)?.as_str())
                    .collect::<Vec<_>>()
                    .join(" "),
            },
        })
    }

    fn in_one_line(&self) -> String {
        std::iter::once(self.message.clone()).chain(self.reasons()).collect::<Vec<_>>().join("; ")
    }

    fn says_it_exists(&self) -> bool {
        let said = self.in_one_line().to_ascii_lowercase();
        said.contains("already exists") || said.contains("already_exists")
    }
}

/// GitHub tells its limits from a plain refusal by a header, or in the secondary case only by words.
fn is_rate_limit(headers: &HeaderMap, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    headers.contains_key("retry-after")
        || text_of(headers, "x-ratelimit-remaining") == Some("0")
        || ["rate limit", "abuse detection"].iter().any(|words| message.contains(words))
}

fn wait(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let now = server_time(headers, now);
    named_wait(headers, now).or_else(|| {
        let spent = text_of(headers, "x-ratelimit-remaining") == Some("0");
        let reset = text_of(headers, "x-ratelimit-reset")?.parse().ok()?;
        let reset = DateTime::from_timestamp(reset, 0)?;
        // One second more, since the reset is given in whole seconds.
        spent.then(|| until(reset, now).saturating_add(Duration::from_secs(1)).min(LONGEST_WAIT))
    })
}

/// `Retry-After` in seconds or as a date; a negative or senseless one counts as absent.
fn named_wait(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = text_of(headers, "retry-after")?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => until(DateTime::parse_from_rfc2822(text).ok()?.to_utc(), now),
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The clock that the answer's moments are told by; ours may be an hour off.
pub(super) fn server_time(headers: &HeaderMap, ours: DateTime<Utc>) -> DateTime<Utc> {
    text_of(headers, "date")
        .and_then(|date| DateTime::parse_from_rfc2822(date).ok())
        .map_or(ours, |date| date.to_utc())
}

pub(super) fn until(moment: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (moment - now).to_std().unwrap_or_default()
}

pub(super) fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn timed_out(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| {
        let said = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        said == Some(io::ErrorKind::TimedOut)
    })
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in causes(error).map(ToString::to_string) {
        // A wrapper that repeats its cause adds nothing.
        if !said.last().is_some_and(|last| last.contains(&cause)) {
            said.push(cause);
        }
    }
    said.join(": ")
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}

/// One line without control characters, and not too long for a log.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Error {
        let headers = headers
            .iter()
            .map(|&(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            })
            .collect();
        Error::answered("GET /x", StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    #[test]
    fn every_status_has_its_kind() {
        let check = |status, kind, transient| {
            let error = answer(status, &[], "{}");
            assert_eq!((error.kind(), error.is_transient()), (kind, transient), "{status}");
            assert_eq!(error.status(), Some(status));
        };
        check(301, Kind::Moved, false);
        check(307, Kind::Moved, false);
        check(400, Kind::Refused, false);
        check(401, Kind::Unauthorized, false);
        check(403, Kind::Forbidden, false);
        check(404, Kind::NotFound, false);
        check(405, Kind::MethodNotAllowed, false);
        check(408, Kind::Server, true);
        check(409, Kind::Conflict, false);
        check(410, Kind::Gone, false);
        check(418, Kind::Refused, false);
        check(422, Kind::Validation, false);
        check(429, Kind::RateLimited, true);
        check(451, Kind::Gone, false);
        check(499, Kind::Refused, false);
        check(500, Kind::Server, true);
        check(502, Kind::Server, true);
        check(504, Kind::Server, true);
        check(599, Kind::Server, true);
        check(600, Kind::Unreadable, false);
    }

    #[test]
    fn a_limit_in_disguise_is_told_from_a_refusal() {
        let check = |headers: &[_], message: &str, wait: Option<u64>| {
            let error = answer(403, headers, &format!(r#"{{"message": "{message}"}}"#));
            let kind = if wait.is_some() { Kind::RateLimited } else { Kind::Forbidden };
            assert_eq!(error.kind(), kind, "{headers:?} {message}");
            assert_eq!(error.retry_after(), wait.map(Duration::from_secs), "{headers:?} {message}");
        };
        let date = ("date", "Sun, 22 Nov 2026 18:00:00 GMT");
        check(&[], "Resource not accessible by integration", None);
        check(&[("x-ratelimit-remaining", "17")], "Must have admin rights", None);
        check(&[], "You have exceeded a secondary rate limit.", Some(60));
        check(&[("retry-after", "7")], "slow down", Some(7));
        check(&[("retry-after", "0")], "slow down", Some(0));
        check(&[("retry-after", "-5")], "slow down", Some(60));
        check(&[("retry-after", "1000000000")], "slow down", Some(3_660));
        check(&[("retry-after", "soon")], "slow down", Some(60));
        check(&[date, ("retry-after", "Sun, 22 Nov 2026 18:02:00 GMT")], "slow down", Some(120));
        // 1795370430 is 18:00:30 of that day.
        let spent = ("x-ratelimit-remaining", "0");
        check(&[date, spent, ("x-ratelimit-reset", "1795370430")], "API rate limit exceeded", Some(31));
        check(&[date, spent, ("x-ratelimit-reset", "1")], "API rate limit exceeded", Some(1));
        check(&[spent], "API rate limit exceeded", Some(60));
    }

    #[test]
    fn a_refusal_tells_its_reasons_in_one_line() {
        let error = answer(
            422,
            &[("x-github-request-id", "ABCD:1")],
            r#"{"message": "Validation Failed", "errors": [
                {"resource": "PullRequest", "code": "custom", "message": "A pull request already exists for a:b."},
                {"resource": "Issue", "field": "title", "code": "missing_field"}, "plain\n\u001b[31mtext"]}"#,
        );
        assert_eq!(
            error.to_string(),
            "GET /x: rejected as invalid (422): Validation Failed; A pull request already exists for a:b.; \
             Issue title missing_field; plain  [31mtext [request ABCD:1]"
        );
        assert!(error.is_already_exists());
        assert!(!answer(422, &[], r#"{"message": "No commits between main and b"}"#).is_already_exists());
        assert!(!answer(404, &[], r#"{"message": "already exists"}"#).is_already_exists());
    }

    #[test]
    fn a_page_of_html_or_odd_json_is_not_quoted() {
        for body in ["<html>Bad gateway</html>", r#"{"message": 5}"#, "", "\u{0}"] {
            assert_eq!(answer(502, &[], body).message(), "Bad Gateway", "{body:?}");
        }
        assert_eq!(answer(500, &[("retry-after", "3")], "").retry_after(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_message_never_quotes_the_token() {
        let error = answer(400, &[], r#"{"message": "bad header ghp_secret"}"#).without("ghp_secret");
        assert_eq!(error.message(), "bad header ***");
        assert!(!format!("{error:?}").contains("ghp_secret"));
        assert_eq!(answer(404, &[], "").without("t").message(), "Not Found");
    }
}
