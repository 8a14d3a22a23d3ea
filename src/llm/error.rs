//! Failed calls of the model, by what the caller does next.

use std::time::Duration;

use async_openai::error::OpenAIError;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};

use super::Usage;
use crate::core::outage::{Held, Outage};

/// The longest `Retry-After` that is believed.
pub const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(60 * 60);
/// The most characters of a message that are kept.
const MESSAGE_LIMIT: usize = 500;

/// What a failed call costs nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bill {
    /// The model did not work on it: the server refused it or was never reached.
    Nothing,
    /// It used this much.
    Used(Usage),
    /// Unknown: the call was cut off.
    Unknown,
}

/// Of what a transient failure speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The server or the way to it is at fault: part of an outage, perhaps.
    Outage,
    /// The server has too much to do, or we ask too often.
    Load,
    /// This answer alone cannot be read.
    Answer,
}

/// Why there is no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// May succeed later: a limit, an overload, a timeout, a broken connection or stream.
    #[error("the model is out of reach for now: {message}")]
    Transient {
        /// How long the server asks to wait, if it says.
        retry_after: Option<Duration>,
        /// What happened.
        message: String,
        /// Whether the model may have worked on it nevertheless, which has to be paid for.
        maybe_paid: bool,
        /// Of what the failure speaks.
        sign: Sign,
    },
    /// As [`Error::Transient`], as part of an outage that all workers know of, or of one call that was turned away.
    #[error("the model is out of reach for now: {}", .outage.error)]
    Down {
        /// The outage.
        outage: Box<Outage>,
        /// Whether the model may have worked on it nevertheless, which has to be paid for.
        maybe_paid: bool,
    },
    /// A limit or an outage, which all workers share, held the call back: nothing was sent.
    #[error("the model was not asked: {}", .0.sentence())]
    Held(Held),
    /// The key is wrong or lacks a permission (401, 403): a person must act.
    #[error("the model does not accept the key: {0}")]
    Auth(String),
    /// The request would always fail: a wrong model, a spent quota, a prompt that is too long.
    #[error("the model rejects the request: {0}")]
    Rejected(String),
    /// The answer reached the model's token limit, so its end is missing.
    #[error("the answer was cut at the model's token limit")]
    TooLong(Usage),
    /// The model refused to answer.
    #[error("the model refuses: {0}")]
    Refused(String, Usage),
    /// The answer is blank.
    #[error("the answer is empty")]
    Empty(Usage),
    /// The answer is larger than [`super::REPLY_LIMIT`] and was not read to its end.
    #[error("the answer is over {} bytes", super::REPLY_LIMIT)]
    Oversize,
}

impl Error {
    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. } | Self::Down { .. } | Self::Held(_))
    }

    /// How long to wait, at most [`RETRY_AFTER_LIMIT`]; `None`: the caller backs off.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Transient { retry_after, .. } => *retry_after,
            Self::Down { outage, .. } => Some(outage.wait),
            Self::Held(held) => Some(held.wait()),
            _ => None,
        }
    }

    /// The outage of the model, if all its callers are held back by it.
    #[must_use]
    pub fn outage(&self) -> Option<&Outage> {
        let outage: &Outage = match self {
            Self::Down { outage, .. } => outage,
            Self::Held(Held::Outage(outage)) => outage,
            _ => return None,
        };
        outage.since.map(|_| outage)
    }

    /// What the failed call costs nevertheless.
    #[must_use]
    pub const fn bill(&self) -> Bill {
        match self {
            Self::TooLong(usage) | Self::Refused(_, usage) | Self::Empty(usage) => Bill::Used(*usage),
            Self::Transient { maybe_paid: false, .. }
            | Self::Down { maybe_paid: false, .. }
            | Self::Held(_)
            | Self::Auth(_)
            | Self::Rejected(_) => Bill::Nothing,
            Self::Transient { maybe_paid: true, .. }
            | Self::Down { maybe_paid: true, .. }
            | Self::Oversize => Bill::Unknown,
        }
    }

    /// A failure after the request was sent: the model may have worked on it.
    pub(super) fn transient(message: impl Into<String>) -> Self {
        let message = one_line(&message.into());
        Self::Transient { retry_after: None, message, maybe_paid: true, sign: Sign::Outage }
    }

    /// A failure to connect: the request was never sent.
    pub(super) fn unsent(message: impl Into<String>) -> Self {
        let message = one_line(&message.into());
        Self::Transient { retry_after: None, message, maybe_paid: false, sign: Sign::Outage }
    }

    /// An answer that cannot be read: the server is there.
    pub(super) fn unreadable(message: impl Into<String>) -> Self {
        let message = one_line(&message.into());
        Self::Transient { retry_after: None, message, maybe_paid: true, sign: Sign::Answer }
    }

    pub(super) fn timed_out(what: &str, after: Duration) -> Self {
        Self::transient(format!("{what} did not come within {after:?}"))
    }

    /// What an HTTP answer other than success means.
    pub(super) fn from_http(status: StatusCode, headers: &HeaderMap, body: &str, now: DateTime<Utc>) -> Self {
        let (message, code) = message_and_code(body);
        let message = one_line(&format!("{status}: {message}"));
        match status.as_u16() {
            401 | 403 => Self::Auth(message),
            // OpenAI also answers 429 to an account without credit, which waiting does not help.
            429 if code == "insufficient_quota" => Self::Rejected(message),
            408 | 409 | 425 | 429 | 500.. => {
                // A gateway that timed out does not know whether the call behind it went on.
                let maybe_paid = matches!(status.as_u16(), 502 | 504);
                let sign = if matches!(status.as_u16(), 408 | 500..) { Sign::Outage } else { Sign::Load };
                Self::Transient { retry_after: retry_after(headers, now), message, maybe_paid, sign }
            }
            _ => Self::Rejected(message),
        }
    }
}

impl From<OpenAIError> for Error {
    fn from(error: OpenAIError) -> Self {
        match error {
            OpenAIError::Boxed(error) => match error.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(other) => Self::transient(other.to_string()),
            },
            OpenAIError::Reqwest(error) if error.is_connect() || error.is_builder() => {
                Self::unsent(with_causes(&error))
            }
            OpenAIError::Reqwest(error) => Self::transient(with_causes(&error)),
            OpenAIError::JSONDeserialize(_, content) => {
                let message = message_and_code(&content).0;
                Self::unreadable(format!("a chunk of the answer is unreadable: {message}"))
            }
            OpenAIError::StreamError(error) => Self::transient(error.to_string()),
            OpenAIError::InvalidArgument(message)
            | OpenAIError::FileSaveError(message)
            | OpenAIError::FileReadError(message) => Self::Rejected(message),
            OpenAIError::ApiError(error) => Self::Rejected(error.to_string()),
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

/// The message and the code of an OpenAI-shaped error, or the text itself.
fn message_and_code(body: &str) -> (String, String) {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let field = |name: &str| json["error"][name].as_str().map(str::to_owned);
    (field("message").unwrap_or_else(|| body.trim().to_owned()), field("code").unwrap_or_default())
}

/// One line without control characters, cut to a length fit for a log.
fn one_line(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_LIMIT).collect()
}

/// Seconds or an HTTP date; a negative or unreadable value counts as absent.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().ok()?,
    };
    Some(wait.min(RETRY_AFTER_LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_absurd() {
        let wait = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now()).map(|wait| wait.as_secs())
        };
        for (text, seconds) in [
            ("7", Some(7)),
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("1000000000", Some(3600)),
            ("Fri, 02 Jan 2026 03:04:35 GMT", Some(30)),
            ("Fri, 02 Jan 2026 03:04:00 GMT", None),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(wait(text), seconds, "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now()), None);
    }

    #[test]
    fn every_status_has_its_kind() {
        let of = |status: u16, body: &str| {
            Error::from_http(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body, now())
        };
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 529, 599] {
            assert!(of(status, "").is_transient(), "{status}");
        }
        for status in [401, 403] {
            assert!(matches!(of(status, ""), Error::Auth(_)), "{status}");
        }
        for status in (300..408).chain(410..425).chain(426..429).chain(430..500) {
            if !matches!(status, 401 | 403) {
                assert!(matches!(of(status, ""), Error::Rejected(_)), "{status}");
            }
        }
        for (status, bill) in [
            (429, Bill::Nothing),
            (500, Bill::Nothing),
            (503, Bill::Nothing),
            (401, Bill::Nothing),
            (400, Bill::Nothing),
            (502, Bill::Unknown),
            (504, Bill::Unknown),
        ] {
            assert_eq!(of(status, "").bill(), bill, "{status}");
        }
        let spent = of(429, r#"{"error":{"message":"no money","code":"insufficient_quota"}}"#);
        assert_eq!(spent, Error::Rejected("429 Too Many Requests: no money".into()));
    }

    #[test]
    fn a_servers_message_is_one_short_line() {
        let Error::Transient { message, .. } =
            Error::transient(format!("a\n\u{1b}[31m{}", "x".repeat(9_000)))
        else {
            unreachable!()
        };
        assert_eq!(message.chars().count(), 500);
        assert!(!message.contains(['\n', '\u{1b}']));
    }
}
