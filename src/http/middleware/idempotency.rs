//! What makes a POST safe to send again: its key is kept with the response for a day.

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{caller::Caller, error::Error, problem::Kind};
use crate::store::{
    self, Connection, Pool,
    idempotency::{self, StoredResponse},
};

/// The header that makes a POST safe to send again, as in the IETF draft.
const KEY: &str = "idempotency-key";
/// Says that the response is the one that an earlier request got.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A request that takes effect once for each key, however often it is sent.
#[derive(Debug)]
pub(crate) struct Once {
    /// Without a key every request takes effect.
    key: Option<String>,
    route: String,
    digest: String,
}

/// The response to keep beside the key.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) body: Value,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It took effect now.
    Fresh(StoredResponse),
    /// It took effect before: the same key, route and body.
    Replayed(StoredResponse),
    /// Its key was used with another body, which got this response.
    KeyReused(StoredResponse),
    /// The first request with its key is still running.
    KeyBusy,
}

impl Once {
    /// A request with the `Idempotency-Key` of its headers. Bodies that say the same are the same, however they
    /// are laid out.
    ///
    /// # Errors
    /// [`Kind::BadRequest`] for an invalid key.
    pub(crate) fn from_headers(
        headers: &HeaderMap,
        caller: &Caller,
        route: &str,
        body: &impl Serialize,
    ) -> Result<Self, Error> {
        let text = serde_json::to_vec(body).map_err(|_| Error::internal())?;
        Ok(Self::new(key(headers)?, caller, route, &text))
    }

    /// A request with a key; `body` is all that tells it from another request with the same key. Two people may use
    /// the same key without learning what the other one did.
    pub(crate) fn new(key: Option<String>, caller: &Caller, route: &str, body: &[u8]) -> Self {
        Self {
            key,
            route: format!("{route} by {}", caller.actor()),
            digest: hex::encode(Sha256::digest(body)),
        }
    }

    /// Runs `act` in a transaction and keeps its reply in the same one, unless the key was used before.
    ///
    /// # Errors
    /// As `act`, whose changes are then rolled back, or when the database does not answer.
    pub(crate) async fn run<E: From<store::Error>>(
        &self,
        pool: &Pool,
        act: impl AsyncFnOnce(&mut Connection) -> Result<Reply, E>,
    ) -> Result<Outcome, E> {
        if let Some(earlier) = self.earlier(pool).await? {
            return Ok(earlier);
        }
        let mut tx = pool.begin().await?;
        let given = self.given(act(&mut tx).await?);
        if self.keep(&mut tx, &given).await? {
            tx.commit().await?;
            return Ok(Outcome::Fresh(given));
        }
        // A concurrent request with the same key has committed first: undo this one and answer as that one.
        tx.rollback().await?;
        Ok(self.earlier(pool).await?.unwrap_or(Outcome::KeyBusy))
    }

    /// What an earlier request with the same key came to.
    async fn earlier(&self, pool: &Pool) -> store::Result<Option<Outcome>> {
        let Some(key) = &self.key else { return Ok(None) };
        let given = idempotency::get(pool, key, &self.route).await?;
        Ok(given.map(|given| match given.request_digest == self.digest {
            true => Outcome::Replayed(given),
            false => Outcome::KeyReused(given),
        }))
    }

    fn given(&self, reply: Reply) -> StoredResponse {
        StoredResponse {
            request_digest: self.digest.clone(),
            status: i16::try_from(reply.status.as_u16()).unwrap_or(200),
            location: reply.location,
            response: reply.body,
        }
    }

    /// Keeps the reply. This waits for a concurrent request with the same key; false if that one commits.
    async fn keep(&self, tx: &mut Connection, given: &StoredResponse) -> store::Result<bool> {
        match &self.key {
            Some(key) => idempotency::insert(tx, key, &self.route, given).await,
            None => Ok(true),
        }
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        match self {
            Self::Fresh(given) => respond(&given),
            Self::Replayed(given) => {
                let mut response = respond(&given);
                response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
                response
            }
            Self::KeyReused(_) => {
                let detail = "this Idempotency-Key was used with another body; use a new key";
                Error::new(Kind::KeyReused, detail).into_response()
            }
            Self::KeyBusy => {
                Error::new(Kind::KeyBusy, "the first request with this key is still running").into_response()
            }
        }
    }
}

/// The `Idempotency-Key`, if there is one.
///
/// # Errors
/// [`Kind::BadRequest`] for an invalid one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get(KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(text.to_owned()));
    }
    Err(Error::parameter("Idempotency-Key", "must be 1 to 255 visible ASCII characters"))
}

fn respond(given: &StoredResponse) -> Response {
    let status = u16::try_from(given.status).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let mut response = (status.unwrap_or(StatusCode::OK), Json(&given.response)).into_response();
    let location = given.location.as_deref().and_then(|path| HeaderValue::from_str(path).ok());
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
