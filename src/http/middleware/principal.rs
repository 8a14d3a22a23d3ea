//! Who acts: the caller of a request, as the history records it.

use axum::{extract::FromRequestParts, http::request::Parts};

use super::error::Error;

/// The caller of a request. The router of each surface attaches it, and handlers take it from there; nothing
/// else in `http` names an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Principal {
    /// A caller of REST, who is not identified.
    Api,
    /// A person at a page, who is not identified.
    Page,
}

impl Principal {
    /// The actor that the history records.
    #[must_use]
    pub(crate) const fn actor(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Page => "page",
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get().copied().ok_or_else(|| {
            tracing::error!("no principal is attached to the route of {}", parts.uri.path());
            Error::internal()
        })
    }
}
