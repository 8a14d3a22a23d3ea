//! What handlers take from a request: the caller, the repository, the body.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
};
use http::{StatusCode, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::dev::github::{refusal::Refusal, shared::Shared};

/// The path of a pull request, issue, comment or check run: owner, repository, number or id.
pub(crate) type Numbered = Path<(String, String, i64)>;
/// The path of something that has a name: owner, repository, name.
pub(crate) type Named = Path<(String, String, String)>;

/// The login of the user whose token the request carries.
pub(crate) struct Caller(pub(crate) String);

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        shared.credentials.login(&parts.headers).map(Self).ok_or_else(Refusal::bad_credentials)
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
