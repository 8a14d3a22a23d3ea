//! Responses that many routes describe in the same words. Handlers answer with an
//! [`Error`](crate::http::middleware::error::Error); these types are for the OpenAPI document alone.

use utoipa::IntoResponses;

use crate::api::Problem;

/// What the path names does not exist.
#[derive(IntoResponses)]
#[response(status = 404, description = "Not found.", content_type = "application/problem+json")]
#[expect(dead_code, reason = "it is described, not built")]
pub(super) struct NotFound(Problem);

/// Some field of the body is invalid.
#[derive(IntoResponses)]
#[response(status = 422, description = "A field is invalid.", content_type = "application/problem+json")]
#[expect(dead_code, reason = "it is described, not built")]
pub(super) struct InvalidField(Problem);

/// The reason, the only field of the body, is invalid.
#[derive(IntoResponses)]
#[response(status = 422, description = "The reason is invalid.", content_type = "application/problem+json")]
#[expect(dead_code, reason = "it is described, not built")]
pub(super) struct InvalidReason(Problem);
