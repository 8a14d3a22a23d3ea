//! The one way in which the twin refuses: GitHub's status, message and list of errors.

use std::fmt;

use http::StatusCode;
use serde_json::{Value, json};

/// An error answer in GitHub's shape.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) errors: Vec<Value>,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Why the twin itself failed; logged where the answer is made, never sent.
    pub(crate) cause: Option<anyhow::Error>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: message.to_owned(), errors: Vec::new(), headers: Vec::new(), cause: None }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// 403 for everything that a suspended installation does.
    pub(crate) fn suspended() -> Self {
        Self::new(StatusCode::FORBIDDEN, "This installation has been suspended")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(crate) fn bad_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Bad credentials")
    }

    /// 405, with the reason why a pull request cannot be merged.
    pub(crate) fn not_mergeable(message: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    /// 422 for a field, such as `head` with the code `invalid`.
    pub(crate) fn field(resource: &str, field: &str, code: &str) -> Self {
        Self::validation(json!({"resource": resource, "field": field, "code": code}))
    }

    /// 422 for a broken rule, with its message.
    pub(crate) fn rule(resource: &str, message: &str) -> Self {
        Self::validation(json!({"resource": resource, "code": "custom", "message": message}))
    }

    /// 422 in the simple shape, whose errors are plain messages.
    pub(crate) fn unprocessable(message: &str) -> Self {
        let errors = vec![json!(message)];
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Unprocessable Entity") }
    }

    /// The sentences of the refusal, for a page.
    pub(crate) fn words(&self) -> Vec<String> {
        let of_field = |error: &Value| {
            let text = |key: &str| error[key].as_str().unwrap_or_default();
            format!("{} is {}", text("field"), text("code").replace('_', " "))
        };
        let sentence = |error: &Value| {
            let message = error.as_str().or_else(|| error["message"].as_str());
            message.map_or_else(|| of_field(error), str::to_owned)
        };
        if self.errors.is_empty() {
            return vec![self.message.clone()];
        }
        self.errors.iter().map(sentence).collect()
    }

    fn validation(error: Value) -> Self {
        let errors = vec![error];
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed") }
    }
}

/// A failure of the twin itself is a 500.
impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self { cause: Some(error), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Server Error") }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{cause:#}"),
            None => {
                let errors = Value::from(self.errors.clone());
                write!(f, "{} {}: {errors}", self.status.as_u16(), self.message)
            }
        }
    }
}

impl std::error::Error for Refusal {}
