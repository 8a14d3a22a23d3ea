//! The one shape of every failure: RFC 9457, `application/problem+json`.
//!
//! An [`Error`] becomes a response without a body; [`super::layers::finish`] knows the request's id and
//! path and writes the body, so that no handler can forget them.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::view::{Fault, Problem};
use crate::{
    core::run::Refused,
    engine::{self, Denied},
    store,
};

/// A kind of problem. Its code, title and status never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There is no such route or thing.
    NotFound,
    /// The route does not know the method.
    MethodNotAllowed,
    /// The body took too long to arrive.
    TooSlow,
    /// The body is over the limit.
    TooLarge,
    /// The body is not said to be JSON.
    NotJson,
    /// The body is no JSON.
    BadSyntax,
    /// A path, query or header cannot be read.
    BadRequest,
    /// The body is JSON, but not what is asked for.
    Invalid,
    /// The product does not exist.
    UnknownProduct,
    /// As many of the product's runs are open as may be.
    BacklogFull,
    /// The key was used with another body.
    KeyReused,
    /// The first request with the key is still running.
    KeyBusy,
    /// The run does not allow this as it stands.
    NotAllowed,
    /// A worker is at the run's step.
    Busy,
    /// What was counted is no longer what is there.
    Changed,
    /// The signature is missing or wrong.
    BadSignature,
    /// Nobody has reviewed this head to its end yet.
    NotReviewed,
    /// The database does not answer.
    Unavailable,
    /// Our mistake.
    Internal,
}

/// All kinds, for the page that explains them and for tests.
pub const KINDS: [Kind; 19] = [
    Kind::NotFound,
    Kind::MethodNotAllowed,
    Kind::TooSlow,
    Kind::TooLarge,
    Kind::NotJson,
    Kind::BadSyntax,
    Kind::BadRequest,
    Kind::Invalid,
    Kind::UnknownProduct,
    Kind::BacklogFull,
    Kind::KeyReused,
    Kind::KeyBusy,
    Kind::NotAllowed,
    Kind::Busy,
    Kind::Changed,
    Kind::BadSignature,
    Kind::NotReviewed,
    Kind::Unavailable,
    Kind::Internal,
];

impl Kind {
    /// Code, status, title, and what a caller can do.
    #[must_use]
    pub const fn row(self) -> (&'static str, StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::NotFound => (
                "not-found",
                S::NOT_FOUND,
                "There is no such thing here",
                "Check the path and the id; /openapi.json lists every route.",
            ),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                S::METHOD_NOT_ALLOWED,
                "This route does not know that method",
                "The Allow header lists the methods it knows.",
            ),
            Self::TooSlow => (
                "too-slow",
                S::REQUEST_TIMEOUT,
                "The request took too long",
                "Send it again; a POST with the same Idempotency-Key is done only once.",
            ),
            Self::TooLarge => {
                ("too-large", S::PAYLOAD_TOO_LARGE, "The body is over the limit", "Shorten it.")
            }
            Self::NotJson => (
                "not-json",
                S::UNSUPPORTED_MEDIA_TYPE,
                "The body must be JSON",
                "Send Content-Type: application/json.",
            ),
            Self::BadSyntax => (
                "bad-syntax",
                S::BAD_REQUEST,
                "The body is not well-formed JSON",
                "Mend it at the line and column that the detail names.",
            ),
            Self::BadRequest => (
                "bad-request",
                S::BAD_REQUEST,
                "A path, query or header cannot be read",
                "Mend the parameter that the errors name.",
            ),
            Self::Invalid => (
                "invalid",
                S::UNPROCESSABLE_ENTITY,
                "The body does not fit",
                "Mend every field that the errors name.",
            ),
            Self::UnknownProduct => (
                "unknown-product",
                S::UNPROCESSABLE_ENTITY,
                "There is no such product",
                "Name one of the products that the detail lists, or add it with POST /api/v1/products.",
            ),
            Self::BacklogFull => (
                "backlog-full",
                S::TOO_MANY_REQUESTS,
                "The product has enough to do",
                "Send it again after the time in Retry-After, once runs of the product have ended.",
            ),
            Self::KeyReused => (
                "key-reused",
                S::UNPROCESSABLE_ENTITY,
                "The Idempotency-Key was used with another body",
                "Take a new key for a new request.",
            ),
            Self::KeyBusy => (
                "key-busy",
                S::CONFLICT,
                "The first request with this Idempotency-Key is still running",
                "Send it again after the time in Retry-After.",
            ),
            Self::NotAllowed => (
                "not-allowed",
                S::CONFLICT,
                "The run does not allow this as it stands",
                "Do what the detail names first; GET /api/v1/runs/{id} shows how the run stands.",
            ),
            Self::Busy => (
                "busy",
                S::CONFLICT,
                "A worker is at the run's step",
                "Wait until it has answered, or cancel the run.",
            ),
            Self::Changed => (
                "changed",
                S::CONFLICT,
                "It is no longer what was counted",
                "List again and send the new count.",
            ),
            Self::BadSignature => (
                "bad-signature",
                S::UNAUTHORIZED,
                "The signature is missing or wrong",
                "Give the webhook and GITHUB_WEBHOOK_SECRET the same secret.",
            ),
            Self::NotReviewed => (
                "not-reviewed",
                S::NOT_FOUND,
                "No review of this head is complete",
                "Ask again once the review is done; no review is not the same as no findings.",
            ),
            Self::Unavailable => (
                "unavailable",
                S::SERVICE_UNAVAILABLE,
                "The database does not answer",
                "Send it again after the time in Retry-After.",
            ),
            Self::Internal => (
                "internal",
                S::INTERNAL_SERVER_ERROR,
                "The server made a mistake",
                "Tell its operator the request_id; the log has the rest.",
            ),
        }
    }

    const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::TooSlow
                | Self::BacklogFull
                | Self::KeyBusy
                | Self::Busy
                | Self::NotReviewed
                | Self::Unavailable
        )
    }
}

/// What a handler answers when it cannot do what it was asked.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    detail: String,
    faults: Vec<Fault>,
}

impl Error {
    /// A problem of a kind; `detail` says what is wrong this time.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), faults: Vec::new() }
    }

    /// There is no such thing.
    #[must_use]
    pub fn no(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(Kind::NotFound, format!("there is no {what} {id}"))
    }

    /// The same with one more field that is wrong, by JSON pointer.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.faults.push(Fault { pointer: Some(pointer.into()), parameter: None, detail: detail.into() });
        self
    }

    /// A parameter of the path, the query or the headers that cannot be read.
    #[must_use]
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let fault = Fault { pointer: None, parameter: Some(name.to_owned()), detail: detail.clone() };
        Self { kind: Kind::BadRequest, detail: format!("{name}: {detail}"), faults: vec![fault] }
    }

    /// The body of the answer.
    #[must_use]
    pub fn problem(&self, instance: &str, request_id: &str) -> Problem {
        let (code, status, title, remedy) = self.kind.row();
        let detail = if self.detail.is_empty() { remedy.to_owned() } else { self.detail.clone() };
        Problem {
            r#type: format!("/problems/{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail,
            instance: instance.to_owned(),
            code: code.to_owned(),
            errors: self.faults.clone(),
            request_id: request_id.to_owned(),
            retryable: self.kind.is_retryable(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.kind.row().1.into_response();
        let headers = response.headers_mut();
        let wait: Option<&str> = match self.kind {
            Kind::BacklogFull => Some("30"),
            Kind::KeyBusy => Some("1"),
            Kind::Busy => Some("5"),
            Kind::Unavailable => Some("5"),
            Kind::NotReviewed => Some("10"),
            _ => None,
        };
        if let Some(seconds) = wait.and_then(|seconds| HeaderValue::from_str(seconds).ok()) {
            headers.insert(header::RETRY_AFTER, seconds);
        }
        // After a body that was not read to its end the connection cannot be used again.
        if matches!(self.kind, Kind::TooLarge | Kind::TooSlow) {
            headers.insert(HeaderName::from_static("connection"), HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        if store::is_transient(&error) || matches!(error, store::Error::PoolClosed) {
            tracing::warn!(%error, "the database did not answer");
            return Self::new(Kind::Unavailable, "the database does not answer; nothing has changed");
        }
        tracing::error!(%error, "the database refused a statement");
        Self::new(Kind::Internal, "")
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        match error {
            engine::Error::Store(error) => error.into(),
            engine::Error::NoRun(id) => Self::no("run", id),
            engine::Error::NoProduct(name) => {
                Self::new(Kind::UnknownProduct, format!("there is no product `{name}`"))
            }
            full @ engine::Error::BacklogFull { .. } => Self::new(
                Kind::BacklogFull,
                format!(
                    "{full}; nothing was stored. Send it again once some have ended, or raise the product's \
                     backlog with POST /api/v1/products"
                ),
            ),
            engine::Error::NoLetter(id) => Self::no("dead letter", id),
            engine::Error::Denied(denied @ (Denied::Running(_) | Denied::Contended)) => {
                Self::new(Kind::Busy, denied.to_string())
            }
            engine::Error::Denied(denied) => Self::new(Kind::NotAllowed, denied.to_string()),
            engine::Error::Refused(refused @ Refused::NoStep { .. }) => {
                Self::new(Kind::Invalid, refused.to_string()).at("/step", refused.to_string())
            }
            engine::Error::Refused(refused @ (Refused::NoOutcome { .. } | Refused::Unskippable(_))) => {
                Self::new(Kind::Invalid, refused.to_string()).at("/outcome", refused.to_string())
            }
            engine::Error::Refused(refused) => Self::new(Kind::NotAllowed, refused.to_string()),
            engine::Error::Workflow { .. } | engine::Error::NoWorkflow(_) => {
                Self::new(Kind::NotAllowed, error.to_string())
            }
        }
    }
}
