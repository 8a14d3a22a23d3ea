//! Webhooks of GitHub: verifies deliveries and reads what may have changed.
//!
//! A payload is only a hint to look. It may come late, twice, out of order or not at all, so nothing in it
//! is used as state.

mod content;
mod deployed;
mod fields;
mod hint;
mod issue;
mod meaning;
mod signature;
#[cfg(test)]
mod tests;

use serde_json::Value;

use self::fields::text;
pub use self::{
    content::ContentType,
    hint::Hint,
    issue::IssueNews,
    meaning::{Access, Ignored, Meaning, Press},
    signature::{BadSignature, EmptySecret, Secrets, Signature, verify},
};
use crate::core::requirement::RepoName;

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "x-hub-signature-256";
/// The header with the event's name.
pub const EVENT_HEADER: &str = "x-github-event";
/// The header with the delivery's id, which a redelivery keeps.
pub const DELIVERY_HEADER: &str = "x-github-delivery";
/// The most bytes that GitHub sends in one delivery (25 MB). docs.github.com "Webhook events and payloads".
pub const BODY_LIMIT: usize = 25 * 1024 * 1024;

/// The most characters of an event, an action or a delivery's id.
const NAME_LIMIT: usize = 100;

/// Why a genuine delivery cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A header is missing or not a plain name.
    #[error("the header {0} is missing or not a plain name of at most 100 characters")]
    Header(&'static str),
    /// The body is not a JSON object.
    #[error("the webhook's payload is not a JSON object: {0}")]
    Json(String),
    /// The body is a form without a payload.
    #[error("the webhook's form has no field `payload`")]
    NoPayload,
}

/// A delivery, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// GitHub's id of the delivery; a redelivery has the same.
    pub id: String,
    /// GitHub's name of the event, such as `check_run`.
    pub event: String,
    /// What happened, such as `completed`.
    pub action: Option<String>,
    /// The repository that it names, as it was called then.
    pub repository: Option<NamedRepository>,
    /// What it means.
    pub meaning: Meaning,
}

/// A repository as a payload names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRepository {
    /// Its name.
    pub name: RepoName,
    /// GitHub's number of it.
    pub id: Option<u64>,
}

/// Reads the payload of a delivery whose signature was verified.
///
/// # Errors
/// [`Unreadable::Header`] says which header is missing.
pub fn read(event: Option<&str>, delivery: Option<&str>, payload: &Value) -> Result<Delivery, Unreadable> {
    let event = event.and_then(name).ok_or(Unreadable::Header(EVENT_HEADER))?;
    let id = delivery.and_then(name).ok_or(Unreadable::Header(DELIVERY_HEADER))?;
    let action = text(payload, "/action").and_then(name);
    let repository = repository(payload);
    let meaning = match Meaning::of(&event, action.as_deref(), payload) {
        Meaning::Changed(..)
        | Meaning::Commented(_)
        | Meaning::Pressed(_)
        | Meaning::Issue(_)
        | Meaning::Deployed(_)
            if repository.is_none() =>
        {
            Meaning::Ignored(Ignored::NoRepository)
        }
        meaning => meaning,
    };
    Ok(Delivery { id, event, action, repository, meaning })
}

fn repository(payload: &Value) -> Option<NamedRepository> {
    let name = text(payload, "/repository/full_name")?.parse().ok()?;
    Some(NamedRepository { name, id: payload.pointer("/repository/id").and_then(Value::as_u64) })
}

/// A name that can be stored and logged as it is.
fn name(text: &str) -> Option<String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    (plain && (1..=NAME_LIMIT).contains(&text.len())).then(|| text.to_owned())
}
