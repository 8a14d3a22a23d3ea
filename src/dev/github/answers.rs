//! How results become HTTP answers; routes, git and pages use the same ones.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::refusal::Refusal;

/// What a handler returns.
pub(crate) type Answer = Result<Response, Refusal>;

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            tracing::error!("the GitHub twin failed: {cause:#}");
        }
        let mut body = json!({
            "message": self.message, "documentation_url": "https://docs.github.com/rest",
            "status": self.status.as_str(),
        });
        if !self.errors.is_empty() {
            body["errors"] = self.errors.into();
        }
        let mut answer = (self.status, Json(body)).into_response();
        for (name, value) in self.headers {
            answer
                .headers_mut()
                .extend(HeaderValue::from_str(&value).map(|value| (HeaderName::from_static(name), value)));
        }
        answer
    }
}

/// 200 with a body.
pub(crate) fn ok(body: Value) -> Answer {
    Ok(Json(body).into_response())
}

/// 201 with the new object, and its address in `Location`.
pub(crate) fn created(object: Value) -> Answer {
    let location = object["url"].as_str().unwrap_or("").to_owned();
    Ok((StatusCode::CREATED, [("location", location)], Json(object)).into_response())
}

/// 202 with a body.
pub(crate) fn accepted(body: Value) -> Answer {
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

/// 204.
pub(crate) fn no_content() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}
