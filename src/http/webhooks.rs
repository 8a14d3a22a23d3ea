//! What the forge tells us unasked: proven, stored, and only then answered.

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::HeaderMap,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    App,
    error::{Error, Kind},
    extract,
    view::Problem,
};
use crate::{
    github::webhook::{self, Delivery, Secrets, Unreadable},
    store::signal,
};

/// Takes a delivery of the forge; 2xx means that it is stored or of no interest.
#[utoipa::path(post, path = "/api/v1/webhooks/github", tag = "webhooks",
    params(
        ("X-Hub-Signature-256" = String, Header, description = "sha256= and the HMAC-SHA256 of the body."),
        ("X-GitHub-Event" = String, Header), ("X-GitHub-Delivery" = String, Header),
    ),
    request_body(content = Value, description = "GitHub's payload, at most 25 MB.", content_type = "application/json"),
    responses(
        (status = 200, description = "Stored, known already, or of no interest; `result` says which."),
        (status = 401, description = "The signature is missing or wrong; nothing was stored.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn github(
    State(app): State<App>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<Json<Value>, Error> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let body = extract::bytes(request, &app, webhook::BODY_LIMIT).await?;
    prove(&app.settings.webhook_secrets, &body, header(webhook::SIGNATURE_HEADER))?;
    let (event, delivery) = (header(webhook::EVENT_HEADER), header(webhook::DELIVERY_HEADER));
    let delivery = match webhook::read(event, delivery, &body) {
        Ok(delivery) => delivery,
        Err(Unreadable::NoRepository) => return Ok(result("ignored")),
        Err(error @ Unreadable::Header(name)) => return Err(Error::parameter(name, error.to_string())),
        Err(error @ Unreadable::Json(_)) => return Err(Error::new(Kind::BadSyntax, error.to_string())),
    };
    let Some(news) = signal(delivery) else { return Ok(result("ignored")) };
    Ok(result(if app.engine.receive_signal(&news).await? { "stored" } else { "known" }))
}

/// Every two keys in turn: one that is being changed and the one that takes its place.
fn prove(secrets: &[SecretString], body: &[u8], signature: Option<&str>) -> Result<(), Error> {
    let good = secrets.chunks(2).filter_map(|pair| match pair {
        [current, rest @ ..] => Secrets::new(current.clone(), rest.first().cloned()).ok(),
        [] => None,
    });
    let mut proven = false;
    for secrets in good {
        proven |= webhook::verify(&secrets, body, signature).is_ok();
    }
    if proven {
        Ok(())
    } else {
        Err(Error::new(Kind::BadSignature, "the webhook's signature is missing or wrong"))
    }
}

/// News of a kind that runs wait for.
fn signal(delivery: Delivery) -> Option<signal::News> {
    Some(signal::News {
        topic: delivery.topic?,
        delivery: delivery.id,
        repository: delivery.repository.to_string(),
        branch: delivery.branch,
        pull: delivery.pull.and_then(|number| i64::try_from(number).ok()),
        sha: delivery.sha.map(String::from),
    })
}

fn result(word: &str) -> Json<Value> {
    Json(json!({ "result": word }))
}
