//! Who makes a request, as handlers take it: [`super::auth`] attaches it, and nothing else in `http` names an actor.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::error::Error;
use crate::{
    core::access::{Principal, Right, Token},
    store::audit::Author,
};

/// The id of a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// The caller of a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    principal: Arc<Principal>,
    request: RequestId,
    /// The session that a browser's cookie names; `None` for a request with a key.
    session: Option<Token>,
}

impl Caller {
    /// A principal who makes this request, with a key or in a session.
    pub(crate) fn new(principal: Principal, request: RequestId, session: Option<Token>) -> Self {
        Self { principal: Arc::new(principal), request, session }
    }

    /// The actor that the history records.
    #[must_use]
    pub(crate) fn actor(&self) -> &str {
        &self.principal.name
    }

    /// The author that the audit log records.
    #[must_use]
    pub(crate) fn author(&self) -> Author<'_> {
        Author { person: self.actor(), key: Some(self.principal.key), request: Some(&self.request.0) }
    }

    /// Who it is.
    #[must_use]
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether the caller's role has a right.
    #[must_use]
    pub(crate) fn may(&self, right: Right) -> bool {
        self.principal.may(right)
    }

    /// Whether a product is one of the caller's.
    #[must_use]
    pub(crate) fn has(&self, product: &str) -> bool {
        self.principal.products.has(product)
    }

    /// The session, if the caller is a browser.
    #[must_use]
    pub(crate) const fn session(&self) -> Option<&Token> {
        self.session.as_ref()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get().cloned().ok_or_else(|| {
            tracing::error!("no caller is attached to the route of {}", parts.uri.path());
            Error::internal()
        })
    }
}
