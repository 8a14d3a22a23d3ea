//! Our own JSON for programs, with the headers of the Standard Webhooks specification.

use serde_json::{Value, json};

use super::{Config, Message, signature::SigningSecret};
use crate::core::notice::Content;

/// The body: the type, the time and the data, as the specification proposes.
pub(super) fn body(config: &Config, content: &Content) -> Vec<u8> {
    let Content { at, title, product, sentence, advice, run, requirement, pull, tier, .. } = content;
    let data = json!({
        "title": title,
        "product": product,
        "why": sentence,
        "what_to_do": advice,
        "run_id": run,
        "requirement_id": requirement,
        "pull": pull,
        "pull_url": config.pull(content),
        "tier": tier.map(|tier| tier.as_str()),
        "url": config.page(content),
    });
    let body: Value = json!({ "type": content.message_type(), "timestamp": at.to_rfc3339(), "data": data });
    body.to_string().into_bytes()
}

/// The headers that identify and sign the body.
pub(super) fn headers(
    message: &Message<'_>,
    body: &[u8],
    secret: &SigningSecret,
) -> Vec<(&'static str, String)> {
    let (id, timestamp) = (format!("msg_{}", message.id.simple()), message.now.timestamp());
    let signature = secret.sign(&id, timestamp, body);
    vec![("webhook-id", id), ("webhook-timestamp", timestamp.to_string()), ("webhook-signature", signature)]
}
