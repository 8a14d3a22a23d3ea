//! Failed calls of GitHub. An error never holds the token, a request's body or a raw page of HTML.

mod body;
mod kind;

use std::{error::Error as StdError, fmt, io, time::Duration};

use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};

use self::body::Body;
pub use self::kind::Kind;
use super::headers::{clock, is_rate_limit, rate_limit_wait, retry_after, server_time, text_of};
use crate::core::{
    outage::{Held, Outage},
    redact::redact,
};

/// The most characters of a message that are kept.
const MESSAGE_LIMIT: usize = 1_000;
/// The wait for a rate limit that does not say how long: GitHub asks for at least a minute.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);

/// One failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    status: Option<u16>,
    call: Box<str>,
    message: String,
    retry_after: Option<Duration>,
    held_by: Option<Box<str>>,
    outage: Option<Box<Outage>>,
    request_id: Option<Box<str>>,
    server_time: Option<DateTime<Utc>>,
    already_exists: bool,
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

    /// GitHub's message with its list of reasons, or ours; one line, at most 1,000 characters.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How long to wait; always `Some` for [`Kind::RateLimited`] (at most 61 minutes) and for [`Kind::Held`].
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The key of the limit or the provider that held the call back; `Some` for [`Kind::Held`] alone.
    #[must_use]
    pub fn held_by(&self) -> Option<&str> {
        self.held_by.as_deref()
    }

    /// The outage that held the call back or made it fail.
    #[must_use]
    pub fn outage(&self) -> Option<&Outage> {
        self.outage.as_deref()
    }

    /// GitHub's id of the request, to quote to its support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Whether the same call may succeed later without a change on our side.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }

    /// Whether the act may have been carried out although no answer says so.
    #[must_use]
    pub const fn is_ambiguous(&self) -> bool {
        self.kind.is_ambiguous()
    }

    /// A 422 because what is to be created exists already: find it and adopt it.
    #[must_use]
    pub const fn is_already_exists(&self) -> bool {
        self.already_exists
    }

    /// A 422 because a comment of a review is at a line that is not part of the diff; GitHub does not say which.
    #[must_use]
    pub fn is_outside_the_diff(&self) -> bool {
        let says = |words: &str| self.message.contains(words);
        self.kind == Kind::Validation && (says("must be part of the diff") || says("could not be resolved"))
    }

    /// An answer that is not success.
    pub(super) fn answered(call: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let body = Body::read(status, body);
        let limited = status == StatusCode::FORBIDDEN && is_rate_limit(headers, &body.message);
        let kind = if limited { Kind::RateLimited } else { Kind::of(status.as_u16()) };
        let wait = match kind {
            Kind::RateLimited => Some(rate_limit_wait(headers, Utc::now()).unwrap_or(DEFAULT_WAIT)),
            Kind::Server => retry_after(headers, server_time(headers, Utc::now())),
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
            retry_after: wait,
            request_id: text_of(headers, "x-github-request-id").map(|id| plain(id).into()),
            server_time: clock(headers),
            already_exists: kind == Kind::Validation && body.is_already_exists(),
            ..Self::new(kind, call, &body.in_one_line())
        }
    }

    /// The call was not made.
    pub(super) fn held(call: &str, held: Held) -> Self {
        let error = Self::new(Kind::Held, call, &held.sentence());
        let error = Self { retry_after: Some(held.wait()), held_by: Some(held.key().into()), ..error };
        match held {
            Held::Limit(_) => error,
            Held::Outage(outage) => error.part_of(Some(outage)),
        }
    }

    /// The same error, as part of an outage.
    pub(super) fn part_of(self, outage: Option<Outage>) -> Self {
        Self { outage: outage.map(Box::new), ..self }
    }

    pub(super) fn timeout(call: String, limit: Duration) -> Self {
        let message = format!("no complete answer within {} ms", limit.as_millis());
        Self::new(Kind::Timeout, call, &message)
    }

    pub(super) fn unreadable(call: String, why: &str) -> Self {
        Self::new(Kind::Unreadable, call, why)
    }

    /// The request could not be built.
    pub(super) fn unbuilt(call: &str, error: &octocrab::Error) -> Self {
        Self::new(Kind::Unsent, call, &chain(error))
    }

    /// Nothing was sent, for this reason.
    pub(super) fn unsent(call: &str, why: &str) -> Self {
        Self::new(Kind::Unsent, call, why)
    }

    /// Our credential may not do this, though no status says so.
    pub(super) fn denied(call: String, why: &str) -> Self {
        Self::new(Kind::Forbidden, call, why)
    }

    /// GraphQL reports errors with the status of success.
    pub(super) fn of_graphql(call: &str, kind: Kind, why: &str) -> Self {
        let retry_after = (kind == Kind::RateLimited).then_some(DEFAULT_WAIT);
        Self { retry_after, ..Self::new(kind, call, why) }
    }

    /// The same error with this reason before GitHub's.
    pub(super) fn explained(mut self, why: &str) -> Self {
        self.message = plain(&format!("{why} (GitHub: {})", self.message));
        self
    }

    /// The same error as one that a person fixes by a grant, for this reason.
    pub(super) fn forbidden(self, why: &str) -> Self {
        Self { kind: Kind::Forbidden, ..self.explained(why) }
    }

    /// The clock of the server that answered.
    pub(super) const fn server_time(&self) -> Option<DateTime<Utc>> {
        self.server_time
    }

    /// The request was sent, or may have been, and no answer began.
    pub(super) fn broken(call: &str, error: &octocrab::Error) -> Self {
        let kind = if timed_out(error) { Kind::Timeout } else { Kind::Connection };
        Self::new(kind, call, &chain(error))
    }

    /// The answer began, but its body was cut off.
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

    /// The same error, without the secret if a message quotes it.
    pub(super) fn without(mut self, secret: &str) -> Self {
        // A token of a few letters is a test's, and would match inside ordinary words.
        if secret.len() >= 8 && self.message.contains(secret) {
            self.message = self.message.replace(secret, "***");
        }
        self
    }

    fn new(kind: Kind, call: impl Into<String>, message: &str) -> Self {
        Self {
            kind,
            status: None,
            call: call.into().into(),
            message: plain(message),
            retry_after: None,
            held_by: None,
            outage: None,
            request_id: None,
            server_time: None,
            already_exists: false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.kind)?;
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

fn timed_out(error: &(dyn StdError + 'static)) -> bool {
    causes(error)
        .any(|cause| cause.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::TimedOut))
}

/// The messages of the error and of its causes.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut messages: Vec<String> = Vec::new();
    for cause in causes(error).map(ToString::to_string) {
        // A wrapper that repeats its cause adds nothing.
        if !messages.last().is_some_and(|last| last.contains(&cause)) {
            messages.push(cause);
        }
    }
    messages.join(": ")
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}

/// One line without control characters and tokens, and not too long for a log.
fn plain(text: &str) -> String {
    redact(text).chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_LIMIT).collect()
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
        check(425, Kind::Server, true);
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
    fn a_403_that_reports_a_rate_limit_is_not_a_refusal() {
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
        check(&[spent], "Resource not accessible by personal access token", None);
    }

    #[test]
    fn the_reasons_of_a_refusal_are_one_line() {
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
    fn html_and_malformed_json_are_not_quoted() {
        for body in ["<html>Bad gateway</html>", r#"{"message": 5}"#, "", "\u{0}"] {
            assert_eq!(answer(502, &[], body).message(), "Bad Gateway", "{body:?}");
        }
        assert_eq!(answer(500, &[("retry-after", "3")], "").retry_after(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_message_never_quotes_the_token() {
        let error =
            answer(400, &[], r#"{"message": "bad header of-no-known-form"}"#).without("of-no-known-form");
        assert_eq!(error.message(), "bad header ***");
        assert!(!format!("{error:?}").contains("of-no-known-form"));
        assert_eq!(
            answer(400, &[], r#"{"message": "bad header ghp_secret"}"#).message(),
            "bad header [secret]"
        );
        assert_eq!(answer(404, &[], "").without("t").message(), "Not Found");
    }
}
