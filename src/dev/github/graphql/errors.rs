//! Errors in the form of GitHub's GraphQL, which come with the status of success.

use serde_json::{Value, json};

use super::parse::Field;

/// The error of a field whose resolution failed, with GitHub's type of it.
pub(super) fn of_field(field: &Field, kind: &str, message: &str) -> Value {
    json!({"type": kind, "path": [field.key()], "message": message})
}

/// The error of a field that does not exist.
pub(super) fn undefined(at: &[&str], on: &str, field: &str) -> Value {
    let path: Vec<&str> = at.iter().copied().chain([field]).collect();
    json!({
        "path": path, "message": format!("Field '{field}' doesn't exist on type '{on}'"),
        "extensions": {"code": "undefinedField", "typeName": on, "fieldName": field},
    })
}
