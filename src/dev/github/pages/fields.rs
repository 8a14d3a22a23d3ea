//! The fields of a form or a query.

use std::collections::BTreeMap;

use http::StatusCode;

use crate::dev::github::refusal::Refusal;

/// The fields by name.
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads a form or a query; of a field that is sent twice, the last counts. Browsers send the ends of lines as two
    /// characters.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(bytes).into_owned();
        Self(pairs.map(|(name, value)| (name, value.replace("\r\n", "\n"))).collect())
    }

    /// A field; one that is not sent is empty.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A field without the spaces around it, unless it is empty then.
    pub(super) fn some(&self, name: &str) -> Option<String> {
        Some(self.get(name).trim()).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A positive number, if the field is not empty.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.some(name) else { return Ok(None) };
        let wrong = || {
            let message = format!("`{name}` must be a positive whole number, not {text:?}.");
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, &message)
        };
        text.parse().ok().filter(|number| *number > 0).map(Some).ok_or_else(wrong)
    }
}
