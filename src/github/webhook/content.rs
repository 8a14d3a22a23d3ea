//! How a payload is packed: the webhook's setting "Content type" at GitHub.

use std::borrow::Cow;

use serde_json::Value;

use super::Unreadable;

/// The field of a form that holds the payload.
const FIELD: &str = "payload";

/// How a payload is packed. docs.github.com "Creating webhooks".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`: the body is the payload.
    Json,
    /// `application/x-www-form-urlencoded`, which is GitHub's default: the field `payload` of a form.
    Form,
}

impl ContentType {
    /// Reads the header `Content-Type`; `None` for any other type.
    #[must_use]
    pub fn of(header: &str) -> Option<Self> {
        let media = header.split(';').next().unwrap_or_default().trim();
        if media.eq_ignore_ascii_case("application/json") {
            Some(Self::Json)
        } else if media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Some(Self::Form)
        } else {
            None
        }
    }

    /// The payload that a body holds.
    ///
    /// # Errors
    /// [`Unreadable::NoPayload`], or [`Unreadable::Json`] when it is not a JSON object.
    pub fn payload(self, body: &[u8]) -> Result<Value, Unreadable> {
        let text = match self {
            Self::Json => Cow::Borrowed(body),
            Self::Form => Cow::Owned(field(body)?),
        };
        let payload: Value =
            serde_json::from_slice(&text).map_err(|error| Unreadable::Json(error.to_string()))?;
        if payload.is_object() {
            Ok(payload)
        } else {
            Err(Unreadable::Json("it is another kind of value".to_owned()))
        }
    }
}

fn field(form: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut fields = url::form_urlencoded::parse(form);
    let payload = fields.find(|(name, _)| name == FIELD).ok_or(Unreadable::NoPayload)?;
    Ok(payload.1.into_owned().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_of_githubs_content_types_are_read() {
        let json = ContentType::of("Application/JSON; charset=utf-8").unwrap();
        let form = ContentType::of("application/x-www-form-urlencoded").unwrap();
        let expected = Ok(json!({"a": "ü +&="}));
        assert_eq!(json.payload("{\"a\": \"ü +&=\"}".as_bytes()), expected);
        let packed = "x=1&payload=%7B%22a%22%3A+%22%C3%BC+%2B%26%3D%22%7D";
        assert_eq!(form.payload(packed.as_bytes()), expected);
        assert_eq!(form.payload(b"body=1"), Err(Unreadable::NoPayload));
        for other in ["", "text/plain", "application/jsonp", "multipart/form-data; boundary=x"] {
            assert_eq!(ContentType::of(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        let read = |body: &[u8]| ContentType::Json.payload(body);
        assert_eq!(read(b"[]"), Err(Unreadable::Json("it is another kind of value".to_owned())));
        let deep = "[".repeat(100_000);
        assert!(matches!(read(deep.as_bytes()), Err(Unreadable::Json(_))));
        assert!(matches!(read(b"\xff"), Err(Unreadable::Json(_))));
        assert!(matches!(ContentType::Form.payload(b"payload=%ff"), Err(Unreadable::Json(_))));
    }
}
