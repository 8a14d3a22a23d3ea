//! What makes a POST safe to send again: the `Idempotency-Key` header, kept with its answer for a day.

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::error::{Error, Kind};
use crate::store::{
    Connection, Pool,
    idempotency::{self, StoredResponse},
};

/// The draft's header that makes a POST safe to send again.
const KEY: &str = "idempotency-key";
/// Tells that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A caller's key on one route, with what was asked under it.
#[derive(Debug)]
pub(super) struct Once {
    key: Option<String>,
    route: String,
    digest: String,
}

/// The answer to a request that was not made before.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) status: StatusCode,
    pub(super) location: Option<String>,
    pub(super) body: Value,
}

impl Once {
    /// Reads the key of a request. Two bodies that say the same are the same, however they are laid out.
    ///
    /// # Errors
    /// [`Kind::BadRequest`] for a key that is none.
    pub(super) fn read(
        headers: &HeaderMap,
        route: impl Into<String>,
        body: &impl Serialize,
    ) -> Result<Self, Error> {
        let text = serde_json::to_vec(body).map_err(|_| Error::new(Kind::Internal, ""))?;
        Ok(Self { key: key(headers)?, route: route.into(), digest: hex::encode(Sha256::digest(text)) })
    }

    /// The answer that this request got before.
    ///
    /// # Errors
    /// [`Kind::KeyReused`] when the key was used with another body.
    pub(super) async fn earlier(&self, pool: &Pool) -> Result<Option<Response>, Error> {
        let Some(key) = &self.key else { return Ok(None) };
        match idempotency::get(pool, key, &self.route).await? {
            None => Ok(None),
            Some(given) if given.request_digest == self.digest => Ok(Some(respond(&given, true))),
            Some(_) => Err(Error::new(
                Kind::KeyReused,
                "this Idempotency-Key was used with another body; take a new key",
            )),
        }
    }

    /// Keeps the answer in the transaction that makes it true. `None`: a twin with the same key was
    /// quicker; roll back and ask for what it got by [`Once::settled`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn keep(&self, tx: &mut Connection, fresh: Fresh) -> Result<Option<Response>, Error> {
        let given = StoredResponse {
            request_digest: self.digest.clone(),
            status: i16::try_from(fresh.status.as_u16()).unwrap_or(200),
            location: fresh.location,
            response: fresh.body,
        };
        // This waits for a twin that uses the same key at this moment, and is refused if the twin commits.
        let kept = match &self.key {
            Some(key) => idempotency::insert(tx, key, &self.route, &given).await?,
            None => true,
        };
        Ok(kept.then(|| respond(&given, false)))
    }

    /// What the twin that was quicker got.
    ///
    /// # Errors
    /// [`Kind::KeyBusy`] when it has not ended after all.
    pub(super) async fn settled(&self, pool: &Pool) -> Result<Response, Error> {
        let busy = || Error::new(Kind::KeyBusy, "the first request with this key is still running");
        self.earlier(pool).await?.ok_or_else(busy)
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get(KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(text.to_owned()));
    }
    Err(Error::parameter("Idempotency-Key", "must be 1 to 255 visible ASCII characters"))
}

fn respond(given: &StoredResponse, replayed: bool) -> Response {
    let status = u16::try_from(given.status).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let body: &Value = &given.response;
    let mut response = (status.unwrap_or(StatusCode::OK), Json(body)).into_response();
    let location = given.location.as_deref().and_then(|path| HeaderValue::from_str(path).ok());
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
