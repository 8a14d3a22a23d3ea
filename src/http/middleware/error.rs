//! The one shape of every failure: RFC 9457, `application/problem+json`.
//!
//! An [`Error`] becomes a response without a body. [`super::envelope`] knows the request's id and path and
//! writes the body, so that no handler can forget them.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::problem::{Kind, Retry};
use crate::{
    api::{Fault, Problem},
    core::run::Refused,
    engine::{self, Denied},
    store,
};

/// Why a handler could not do what was requested.
#[derive(Debug, Clone)]
pub(crate) struct Error {
    kind: Kind,
    detail: String,
    faults: Vec<Fault>,
}

impl Error {
    /// A problem of a kind; `detail` says what is wrong this time.
    #[must_use]
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), faults: Vec::new() }
    }

    /// A mistake of the server, of which only the log has the details.
    #[must_use]
    pub(crate) fn internal() -> Self {
        Self::new(Kind::Internal, "")
    }

    /// [`Kind::NotFound`]: no `what` has this id.
    #[must_use]
    pub(crate) fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(Kind::NotFound, format!("there is no {what} {id}"))
    }

    /// [`Kind::Invalid`]: one field of the body is wrong.
    #[must_use]
    pub(crate) fn field(pointer: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(Kind::Invalid, detail.clone()).at(pointer, detail)
    }

    /// [`Kind::Invalid`]: these fields of the body are wrong, each with its JSON pointer.
    #[must_use]
    pub(crate) fn fields<P: Into<String>>(what: &str, wrong: impl IntoIterator<Item = (P, String)>) -> Self {
        let error = Self::new(Kind::Invalid, format!("the {what} is invalid; errors names each field"));
        wrong.into_iter().fold(error, |error, (pointer, detail)| error.at(pointer, detail))
    }

    /// [`Kind::BadRequest`]: a parameter of the path, the query or the headers is wrong.
    #[must_use]
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let fault = Fault { pointer: None, parameter: Some(name.to_owned()), detail: detail.clone() };
        Self { kind: Kind::BadRequest, detail: format!("{name}: {detail}"), faults: vec![fault] }
    }

    /// The same with one more wrong field, by JSON pointer.
    #[must_use]
    pub(crate) fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.faults.push(Fault { pointer: Some(pointer.into()), parameter: None, detail: detail.into() });
        self
    }

    /// What is wrong this time, in a sentence for people.
    #[must_use]
    pub(crate) fn sentence(&self) -> String {
        if self.detail.is_empty() { self.kind.row().remedy.to_owned() } else { self.detail.clone() }
    }

    /// Whether the caller has to change the request.
    #[must_use]
    pub(crate) fn is_of_the_caller(&self) -> bool {
        self.kind.row().status.is_client_error()
    }

    /// The body of the response.
    #[must_use]
    pub(crate) fn problem(&self, instance: &str, request_id: &str) -> Problem {
        let row = self.kind.row();
        Problem {
            r#type: format!("/problems/{}", row.code),
            title: row.title.to_owned(),
            status: row.status.as_u16(),
            detail: self.sentence(),
            instance: instance.to_owned(),
            code: row.code.to_owned(),
            errors: self.faults.clone(),
            request_id: request_id.to_owned(),
            retryable: row.retry != Retry::Never,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let row = self.kind.row();
        let mut response = row.status.into_response();
        let headers = response.headers_mut();
        if let Retry::After(seconds) = row.retry {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        // The connection cannot be used again after a body that was not read to its end.
        if matches!(self.kind, Kind::TooLarge | Kind::TooSlow) {
            headers.insert(HeaderName::from_static("connection"), HeaderValue::from_static("close"));
        }
        let challenge = match self.kind {
            Kind::Unauthenticated => Some(r#"Bearer realm="aspora""#),
            Kind::BadKey => Some(r#"Bearer realm="aspora", error="invalid_token""#),
            _ => None,
        };
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
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
        Self::internal()
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        match error {
            engine::Error::Store(error) => error.into(),
            engine::Error::NoRun(id) => Self::not_found("run", id),
            engine::Error::NoLetter(id) => Self::not_found("dead letter", id),
            engine::Error::NoRequirement(id) => Self::not_found("requirement", id),
            engine::Error::Invalid(wrong) => Self::fields(
                "requirement",
                wrong.into_iter().map(|invalid| (format!("/{}", invalid.field), invalid.message)),
            ),
            engine::Error::Answers(wrong) => Self::field(&wrong.pointer, wrong.message),
            engine::Error::NoProduct(name) => {
                Self::new(Kind::UnknownProduct, format!("there is no product `{name}`"))
            }
            full @ engine::Error::BacklogFull { .. } => backlog_full(&full),
            used @ engine::Error::ProductInUse { .. } => {
                let remedy = "End or cancel the runs, pause or remove the schedules, then send it again";
                Self::new(Kind::NotAllowed, format!("{used}; nothing was removed. {remedy}"))
            }
            engine::Error::Denied(denied) => denied.into(),
            engine::Error::Refused(refused) => refused.into(),
            unreadable @ (engine::Error::Workflow { .. } | engine::Error::NoWorkflow(_)) => {
                Self::new(Kind::NotAllowed, unreadable.to_string())
            }
        }
    }
}

fn backlog_full(error: &engine::Error) -> Error {
    let remedy =
        "Send it again once some have ended, or raise the product's backlog with POST /api/v1/products";
    Error::new(Kind::BacklogFull, format!("{error}; nothing was stored. {remedy}"))
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        let kind = match denied {
            Denied::Running(_) | Denied::Contended => Kind::Busy,
            Denied::NoQuestion => Kind::NoQuestion,
            Denied::StaleHead { .. } => Kind::StaleHead,
            Denied::OwnPull => Kind::Forbidden,
            _ => Kind::NotAllowed,
        };
        Self::new(kind, denied.to_string())
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            Refused::NoStep { .. } => Self::field("/step", detail),
            Refused::NoOutcome { .. } | Refused::Unskippable(_) => Self::field("/outcome", detail),
            _ => Self::new(Kind::NotAllowed, detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_kinds_share_a_code() {
        let codes: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.row().code).collect();
        assert_eq!(codes.len(), Kind::ALL.len());
    }
}
