//! The body of an answer that reports a failure.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// The JSON that GitHub sends with a failure; every field is optional.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Body {
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    errors: Value,
}

impl Body {
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Self {
        let mut read: Self = serde_json::from_slice(body).unwrap_or_default();
        if read.message.is_empty() {
            read.message = status.canonical_reason().unwrap_or("unknown status").to_owned();
        }
        read
    }

    fn reasons(&self) -> impl Iterator<Item = String> {
        let list = match &self.errors {
            Value::Array(list) => list.as_slice(),
            Value::Null => &[],
            one => std::slice::from_ref(one),
        };
        list.iter().map(|reason| match reason {
            Value::String(text) => text.clone(),
            other => match other.get("message").and_then(Value::as_str) {
                Some(text) => text.to_owned(),
                None => ["resource", "field", "code"]
                    .iter()
                    .filter_map(|key| other.get(key)?.as_str())
                    .collect::<Vec<_>>()
                    .join(" "),
            },
        })
    }

    pub(super) fn in_one_line(&self) -> String {
        std::iter::once(self.message.clone()).chain(self.reasons()).collect::<Vec<_>>().join("; ")
    }

    pub(super) fn is_already_exists(&self) -> bool {
        let text = self.in_one_line().to_ascii_lowercase();
        text.contains("already exists") || text.contains("already_exists")
    }
}
