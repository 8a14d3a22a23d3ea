//! Webhooks: verified, stored, and only then acknowledged.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use crate::{
    api::Problem,
    http::{
        AppState,
        middleware::{error::Error, github_webhook::Delivery},
    },
};

/// Takes a webhook of the forge; 2xx means that it is stored or of no interest.
#[utoipa::path(post, path = "/api/v1/webhooks/github", tag = "webhooks",
    params(
        ("X-Hub-Signature-256" = String, Header, description = "sha256= and the HMAC-SHA256 of the body."),
        ("X-GitHub-Event" = String, Header), ("X-GitHub-Delivery" = String, Header),
    ),
    request_body(content = Value, description = "GitHub's payload, at most 25 MB.", content_type = "application/json"),
    responses(
        (status = 200, description = "Stored, stored before, or of no interest; `result` says which."),
        (status = 401, description = "The signature is missing or wrong; nothing was stored.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn github(
    State(app): State<AppState>,
    Delivery(news): Delivery,
) -> Result<Json<Value>, Error> {
    let Some(news) = news else { return Ok(result("ignored")) };
    let is_new = app.engine.receive_signal(&news).await?;
    Ok(result(if is_new { "stored" } else { "known" }))
}

fn result(word: &str) -> Json<Value> {
    Json(json!({ "result": word }))
}
