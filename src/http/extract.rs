//! How a request is read: every way in which it can be wrong has its own answer.

use std::collections::BTreeMap;

use axum::{
    body::{Body as RawBody, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{StatusCode, header, request::Parts},
    response::IntoResponse as _,
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::Segment;
use uuid::Uuid;

use super::error::{Error, Kind};

/// The most bytes of a body, but for webhooks (256 KiB).
pub const BODY_LIMIT: usize = 256 * 1024;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

/// The id in the path.
#[derive(Debug)]
pub(super) struct Id(pub(super) Uuid);

/// The parameters of the query, none twice.
#[derive(Debug)]
pub(super) struct Query(BTreeMap<String, String>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request<RawBody>, state: &S) -> Result<Self, Error> {
        let said = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media = said.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            return Err(Error::new(
                Kind::NotJson,
                format!("the body is said to be {media:?}; send Content-Type: application/json"),
            ));
        }
        parse(&bytes(request, state, BODY_LIMIT).await?).map(Self)
    }
}

/// The whole body, at most `limit` bytes.
///
/// # Errors
/// [`Kind::TooLarge`], or [`Kind::BadRequest`] when it breaks off.
pub(super) async fn bytes<S: Send + Sync>(
    request: Request<RawBody>,
    state: &S,
    limit: usize,
) -> Result<Bytes, Error> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
            Error::new(Kind::TooLarge, format!("the body has over {limit} bytes"))
        } else {
            Error::new(Kind::BadRequest, "the body broke off")
        }
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        wrong(error.inner(), pointer)
    })?;
    reader.end().map_err(|error| wrong(&error, String::new()))?;
    Ok(value)
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

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::parameter("id", "is not UTF-8"))?;
        let id = text.parse().map_err(|_| {
            let shown: String = text.chars().take(60).collect();
            Error::parameter(
                "id",
                format!("{shown:?} is not a UUID such as 0190a5c4-7b1e-7c3a-9f00-2b8a1c4d5e6f"),
            )
        })?;
        Ok(Self(id))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let axum::extract::Query(pairs) =
            axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state)
                .await
                .map_err(|_| Error::parameter("query", "cannot be read as name=value pairs"))?;
        let mut all = BTreeMap::new();
        for (name, value) in pairs {
            if value.contains('\0') {
                return Err(Error::parameter(&name, "holds a NUL byte; remove it"));
            }
            if all.insert(name.clone(), value).is_some() {
                return Err(Error::parameter(&name, "is given twice; give it once"));
            }
        }
        Ok(Self(all))
    }
}

impl Query {
    /// Refuses parameters that the route does not know.
    ///
    /// # Errors
    /// [`Kind::BadRequest`] naming the first unknown one and the known ones.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, Error> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                Err(Error::parameter(name, format!("is not known here; known are {}", known.join(", "))))
            }
            None => Ok(self),
        }
    }

    /// A parameter that is given and not empty.
    #[must_use]
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A whole number from `least` to `most`.
    ///
    /// # Errors
    /// [`Kind::BadRequest`] naming the parameter and the range.
    pub(super) fn number(&self, name: &str, least: i32, most: i32, default: i32) -> Result<i32, Error> {
        let Some(text) = self.text(name) else { return Ok(default) };
        text.parse()
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| Error::parameter(name, format!("must be a whole number from {least} to {most}")))
    }
}
