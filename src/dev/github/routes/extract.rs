//! What handlers take from a request: the caller, the repository, the body.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
};
use http::{StatusCode, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::dev::github::{credentials::Credential, refusal::Refusal, shared::Shared};

/// The path of a pull request, issue, comment or check run: owner, repository, number or id.
pub(crate) type Numbered = Path<(String, String, i64)>;
/// The path of something that has a name: owner, repository, name.
pub(crate) type Named = Path<(String, String, String)>;

/// The login under which the request acts.
pub(crate) struct Caller(pub(crate) String);

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let By(credential) = By::from_request_parts(parts, shared).await?;
        credential.login.map(Self).ok_or_else(Refusal::bad_credentials)
    }
}

/// The credential of the request, which was admitted.
pub(crate) struct By(pub(crate) Credential);

impl FromRequestParts<Arc<Shared>> for By {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, Refusal> {
        parts.extensions.get().cloned().map(Self).ok_or_else(Refusal::bad_credentials)
    }
}

/// The slug of the App that acts; 403 for a person.
pub(crate) struct ByApp(pub(crate) String);

impl FromRequestParts<Arc<Shared>> for ByApp {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let By(credential) = By::from_request_parts(parts, shared).await?;
        let person = || Refusal::new(StatusCode::FORBIDDEN, "You must authenticate via a GitHub App.");
        credential.app.map(Self).ok_or_else(person)
    }
}

/// `owner/name` of the path; 404 when there is no such repository.
#[derive(Debug, Clone)]
pub(crate) struct Repo(pub(crate) String);

impl FromRequestParts<Arc<Shared>> for Repo {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let mut segments = parts.uri.path().split('/').skip(2);
        let name = format!("{}/{}", segments.next().unwrap_or(""), segments.next().unwrap_or(""));
        if shared.host.has(&name) { Ok(Self(name)) } else { Err(Refusal::not_found()) }
    }
}

/// A JSON body; 400 when it is not JSON, 422 when a field is missing or wrong.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let broken = |_| Refusal::new(StatusCode::BAD_REQUEST, "Problems parsing JSON");
        let bytes = Bytes::from_request(request, shared)
            .await
            .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "Problems reading the body"))?;
        let bytes = if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes };
        let value: Value = serde_json::from_slice(&bytes).map_err(broken)?;
        serde_json::from_value(value).map(Self).map_err(|error| Refusal::rule("Request", &error.to_string()))
    }
}
