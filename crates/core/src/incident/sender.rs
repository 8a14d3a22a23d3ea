//! Other senders of incidents, each by a small mapping: where its payload has what, as JSON pointers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Delivered, Report};

/// The most bytes of the document.
const DOCUMENT_LIMIT: usize = 64 * 1024;
/// The most characters of a name.
const NAME_LIMIT: usize = 40;
/// The name that is Sentry's, whose payloads need no mapping.
const SENTRY: &str = "sentry";

/// How a sender's deliveries are verified and read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The header with the HMAC-SHA256 of the body in hexadecimal.
    pub signature_header: String,
    /// What stands before the hexadecimal, such as `sha256=`.
    #[serde(default)]
    pub signature_prefix: String,
    /// The name of the environment's variable that holds the secret, or with `_FILE` its file.
    pub secret_env: String,
    /// Where its payload has what.
    pub mapping: Mapping,
}

/// Where a payload has what: JSON pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// What must stand where, for a delivery to be an incident: one of these texts at each pointer.
    #[serde(default)]
    pub when: BTreeMap<String, Vec<String>>,
    /// What the sender knows the incident by.
    pub key: String,
    /// What went wrong.
    pub title: String,
    /// What is reported of it: these, one a line.
    #[serde(default)]
    pub body: Vec<String>,
    /// Where it is reported in full.
    #[serde(default)]
    pub url: Option<String>,
    /// When it happened: RFC 3339, or seconds since 1970.
    #[serde(default)]
    pub happened_at: Option<String>,
}

/// Senders by the name in their address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Senders(BTreeMap<String, Sender>);

/// Why a document of senders cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is no document of senders.
    #[error("{0}")]
    Document(String),
    /// A field is not as it should be.
    #[error("sender.{sender}.{field}: {message}")]
    Field {
        /// The sender.
        sender: String,
        /// The field.
        field: String,
        /// What is wrong.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    sender: BTreeMap<String, Sender>,
}

impl Senders {
    /// Reads a document, TOML: a table `[sender.NAME]` each.
    ///
    /// # Errors
    /// [`Unfit`] names the line, or the field.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        if text.len() > DOCUMENT_LIMIT {
            return Err(Unfit::Document(format!(
                "has {} bytes, at most {DOCUMENT_LIMIT} are allowed",
                text.len()
            )));
        }
        let document: Document =
            toml::from_str(text).map_err(|error| Unfit::Document(error.to_string().trim_end().to_owned()))?;
        for (name, sender) in &document.sender {
            sender.check(name)?;
        }
        Ok(Self(document.sender))
    }

    /// The sender of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Sender> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Sender)> {
        self.0.iter().map(|(name, sender)| (name.as_str(), sender))
    }
}

impl Sender {
    fn check(&self, name: &str) -> Result<(), Unfit> {
        let unfit = |field: &str, message: &str| {
            Err(Unfit::Field {
                sender: name.to_owned(),
                field: field.to_owned(),
                message: message.to_owned(),
            })
        };
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name == SENTRY {
            return unfit("", "Sentry is known already: it needs no mapping");
        }
        if !(1..=NAME_LIMIT).contains(&name.len()) || !name.chars().all(is_plain) {
            return unfit("", "a name has 1 to 40 lower-case letters, digits and dashes");
        }
        let is_header = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.signature_header.is_empty() || !self.signature_header.chars().all(is_header) {
            return unfit("signature_header", "is no name of a header");
        }
        let is_variable = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if self.secret_env.is_empty() || !self.secret_env.chars().all(is_variable) {
            return unfit("secret_env", "is no name of a variable: capital letters, digits and `_`");
        }
        for (field, pointer) in self.mapping.pointers() {
            if !pointer.starts_with('/') {
                return unfit(&field, "is no JSON pointer, which begins with `/`");
            }
        }
        Ok(())
    }
}

impl Mapping {
    fn pointers(&self) -> impl Iterator<Item = (String, &str)> {
        let one = |field: &str, pointer| (format!("mapping.{field}"), pointer);
        [one("key", self.key.as_str()), one("title", self.title.as_str())]
            .into_iter()
            .chain(self.body.iter().map(move |pointer| one("body", pointer.as_str())))
            .chain(self.when.keys().map(move |pointer| one("when", pointer.as_str())))
            .chain(self.url.iter().map(move |pointer| one("url", pointer.as_str())))
            .chain(self.happened_at.iter().map(move |pointer| one("happened_at", pointer.as_str())))
    }

    /// What a payload tells.
    #[must_use]
    pub fn read(&self, payload: &Value) -> Delivered {
        let at = |pointer: &str| payload.pointer(pointer).and_then(said);
        for (pointer, allowed) in &self.when {
            let found = at(pointer);
            if !found.as_ref().is_some_and(|found| allowed.contains(found)) {
                let found = found.unwrap_or_else(|| "nothing".to_owned());
                return Delivered::Ignored(format!("`{pointer}` has {found}, which is no incident"));
            }
        }
        let (Some(key), Some(title)) = (at(&self.key), at(&self.title)) else {
            let missing = if at(&self.key).is_none() { &self.key } else { &self.title };
            return Delivered::Ignored(format!("`{missing}` is missing"));
        };
        Delivered::Incident(Report {
            key,
            title,
            body: self.body.iter().filter_map(|pointer| at(pointer)).collect::<Vec<_>>().join("\n"),
            url: self.url.as_deref().and_then(at),
            happened_at: self.happened_at.as_deref().and_then(|pointer| time(payload.pointer(pointer)?)),
        })
    }
}

/// A plain value as text; nothing for what is empty or has parts.
fn said(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn time(value: &Value) -> Option<chrono::DateTime<chrono::Utc>> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => chrono::DateTime::from_timestamp(number.as_i64()?, 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGER: &str = r#"
[sender.pager]
signature_header = "x-pager-signature"
signature_prefix = "v1="
secret_env = "PAGER_SECRET"

[sender.pager.mapping]
when = { "/event/event_type" = ["incident.triggered"] }
key = "/event/data/id"
title = "/event/data/title"
body = ["/event/data/service/summary", "/event/data/urgency"]
url = "/event/data/html_url"
happened_at = "/event/occurred_at"
"#;

    fn read(payload: &str) -> Delivered {
        let senders = Senders::parse(PAGER).unwrap();
        senders.get("pager").unwrap().mapping.read(&serde_json::from_str(payload).unwrap())
    }

    #[test]
    fn a_mapping_reads_what_it_names() {
        let delivered = read(
            r#"{"event": {"event_type": "incident.triggered", "occurred_at": "2026-11-30T12:00:00Z", "data": {
                "id": "Q1", "title": "Portfolio is wrong", "service": {"summary": "wealth"}, "urgency": "high",
                "html_url": "https://pager.example/Q1"}}}"#,
        );
        let reported = Report {
            key: "Q1".to_owned(),
            title: "Portfolio is wrong".to_owned(),
            body: "wealth\nhigh".to_owned(),
            url: Some("https://pager.example/Q1".to_owned()),
            happened_at: Some("2026-11-30T12:00:00Z".parse().unwrap()),
        };
        assert_eq!(delivered, Delivered::Incident(reported));
    }

    #[test]
    fn what_is_not_meant_or_lacks_its_key_is_ignored_with_the_reason() {
        let ignored = |payload: &str| match read(payload) {
            Delivered::Ignored(why) => why,
            Delivered::Incident(reported) => panic!("{reported:?}"),
        };
        assert_eq!(
            ignored(r#"{"event": {"event_type": "incident.resolved"}}"#),
            "`/event/event_type` has incident.resolved, which is no incident"
        );
        assert_eq!(ignored("{}"), "`/event/event_type` has nothing, which is no incident");
        assert_eq!(
            ignored(r#"{"event": {"event_type": "incident.triggered", "data": {"title": "x"}}}"#),
            "`/event/data/id` is missing"
        );
    }

    #[test]
    fn a_document_that_is_wrong_names_the_field() {
        for (from, to, expected) in [
            (
                "key = \"/event",
                "key = \"event",
                "sender.pager.mapping.key: is no JSON pointer, which begins with `/`",
            ),
            ("x-pager-signature", "x pager", "sender.pager.signature_header: is no name of a header"),
            (
                "PAGER_SECRET",
                "pager",
                "sender.pager.secret_env: is no name of a variable: capital letters, digits and `_`",
            ),
            ("sender.pager", "sender.sentry", "sender.sentry.: Sentry is known already: it needs no mapping"),
        ] {
            assert_eq!(Senders::parse(&PAGER.replace(from, to)).unwrap_err().to_string(), expected);
        }
        let unknown = Senders::parse(&PAGER.replace("title =", "titel =")).unwrap_err().to_string();
        assert!(unknown.contains("titel"), "{unknown}");
    }
}
