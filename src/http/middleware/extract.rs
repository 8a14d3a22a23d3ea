//! How a request is read: every way in which it can be wrong has its own response.

use std::collections::BTreeMap;

use axum::{
    body::{Body as RawBody, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::IntoResponse as _,
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::Segment;
use uuid::Uuid;

use super::{error::Error, problem::Kind};
use crate::core::{reason::Reason, requirement};

/// The most bytes of a body, other than a webhook's (256 KiB).
pub(crate) const BODY_LIMIT: usize = 256 * 1024;
/// The most bytes of a body with a whole document in it (1 MiB): a policy of its most bytes, escaped.
pub(crate) const LONG_BODY_LIMIT: usize = 1024 * 1024;
/// How much of a wrong value an error quotes, in characters.
const QUOTED: usize = 60;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON body with a whole document in it.
#[derive(Debug)]
pub(crate) struct LongJson<T>(pub(crate) T);

/// The id in the path.
#[derive(Debug)]
pub(crate) struct Id(pub(crate) Uuid);

/// The parameters of the query, each at most once.
#[derive(Debug)]
pub(crate) struct Query(BTreeMap<String, String>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request<RawBody>, state: &S) -> Result<Self, Error> {
        json(request, state, BODY_LIMIT).await.map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for LongJson<T> {
    type Rejection = Error;

    async fn from_request(request: Request<RawBody>, state: &S) -> Result<Self, Error> {
        json(request, state, LONG_BODY_LIMIT).await.map(Self)
    }
}

async fn json<S: Send + Sync, T: DeserializeOwned>(
    request: Request<RawBody>,
    state: &S,
    limit: usize,
) -> Result<T, Error> {
    is_json(request.headers())?;
    parse(&bytes(request, state, limit).await?)
}

/// Checks that a body is said to be JSON.
///
/// # Errors
/// [`Kind::NotJson`].
pub(crate) fn is_json(headers: &HeaderMap) -> Result<(), Error> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = format!("the Content-Type is {media:?}; send Content-Type: application/json");
    Err(Error::new(Kind::NotJson, detail))
}

/// The whole body. `limit`, which the error names, is the one that the route's layer enforces.
///
/// # Errors
/// [`Kind::TooLarge`], or [`Kind::BadRequest`] when the body ends early.
pub(crate) async fn bytes<S: Send + Sync>(
    request: Request<RawBody>,
    state: &S,
    limit: usize,
) -> Result<Bytes, Error> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
            Error::new(Kind::TooLarge, format!("the body has over {limit} bytes"))
        } else {
            Error::new(Kind::BadRequest, "the body ended early")
        }
    })
}

/// Reads a JSON body; what is wrong in it is named by its pointer.
///
/// # Errors
/// [`Kind::Invalid`], or [`Kind::BadSyntax`] for what is no JSON.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        wrong(error.inner(), pointer)
    })?;
    reader.end().map_err(|error| wrong(&error, String::new()))?;
    Ok(value)
}

/// Reads a value that was put together from a body and from what is stored; what is wrong in it is named by its pointer.
///
/// # Errors
/// [`Kind::Invalid`].
pub(crate) fn value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let pointer = pointer(error.path());
        Error::field(&pointer, error.inner().to_string())
    })
}

fn wrong(error: &serde_json::Error, pointer: String) -> Error {
    match error.classify() {
        Category::Data => {
            let text = error.to_string();
            let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
            let place = format!("{detail} (line {}, column {})", error.line(), error.column());
            Error::new(Kind::Invalid, place).at(pointer, detail)
        }
        Category::Syntax | Category::Eof | Category::Io => Error::new(Kind::BadSyntax, error.to_string()),
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                format!("/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

/// The text of the path's one parameter, whose name the error gives.
///
/// # Errors
/// [`Kind::BadRequest`] when it is not UTF-8.
pub(crate) async fn path<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Result<String, Error> {
    let text = Path::<String>::from_request_parts(parts, state).await;
    text.map(|Path(text)| text).map_err(|_| Error::parameter(name, "is not UTF-8"))
}

/// The `reason` of a body.
///
/// # Errors
/// [`Kind::Invalid`] saying what is wrong with it.
pub(crate) fn reason(text: &str) -> Result<Reason, Error> {
    text.parse().map_err(|wrong: requirement::Invalid| {
        Error::new(Kind::Invalid, format!("the reason {}", wrong.message)).at("/reason", wrong.message)
    })
}

/// A wrong value as an error quotes it: not longer than it has to be.
#[must_use]
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(QUOTED).collect::<String>())
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        Self::parse(&path(parts, state, "id").await?)
    }
}

impl Id {
    /// Reads an id.
    ///
    /// # Errors
    /// [`Kind::BadRequest`] when it is no UUID.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        text.parse().map(Self).map_err(|_| {
            let detail =
                format!("{} is not a UUID such as 0190a5c4-7b1e-7c3a-9f00-2b8a1c4d5e6f", quoted(text));
            Error::parameter("id", detail)
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let axum::extract::Query(pairs) =
            axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state)
                .await
                .map_err(|_| Error::parameter("query", "must be name=value pairs"))?;
        let mut all = BTreeMap::new();
        for (name, value) in pairs {
            if value.contains('\0') {
                return Err(Error::parameter(&name, "contains a NUL byte; remove it"));
            }
            if all.insert(name.clone(), value).is_some() {
                return Err(Error::parameter(&name, "is given twice; give it once"));
            }
        }
        Ok(Self(all))
    }
}

impl Query {
    /// Refuses parameters that the route does not have.
    ///
    /// # Errors
    /// [`Kind::BadRequest`] naming the first unknown one and the known ones.
    pub(crate) fn only(self, known: &[&str]) -> Result<Self, Error> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                let detail = format!("is not a parameter of this route; it has {}", known.join(", "));
                Err(Error::parameter(name, detail))
            }
            None => Ok(self),
        }
    }

    /// A parameter that is given and not empty.
    #[must_use]
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A whole number from `least` to `most`.
    ///
    /// # Errors
    /// [`Kind::BadRequest`] naming the parameter and the range.
    pub(crate) fn number(&self, name: &str, least: i32, most: i32, default: i32) -> Result<i32, Error> {
        let Some(text) = self.text(name) else { return Ok(default) };
        text.parse()
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| Error::parameter(name, format!("must be a whole number from {least} to {most}")))
    }
}
