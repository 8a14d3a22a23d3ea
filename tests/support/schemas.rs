//! Values against the schemas of an OpenAPI document, whose validators are built when they are first used.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use jsonschema::{ValidationOptions, Validator};
use serde_json::{Value, json};

/// A document with `components/schemas`.
pub(super) struct Schemas {
    pub(super) document: Value,
    draft: fn() -> ValidationOptions<'static>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Schemas {
    /// `draft` is the JSON Schema that the document's version of OpenAPI is written in.
    pub(super) fn new(document: Value, draft: fn() -> ValidationOptions<'static>) -> Self {
        Self { document, draft, validators: Mutex::default() }
    }

    /// How a value deviates from a schema; equal keys stand for equal schemas.
    pub(super) fn check(&self, key: &str, schema: &Value, body: &Value) -> Vec<String> {
        match self.validator(key, schema) {
            Ok(validator) => validator
                .iter_errors(body)
                .map(|error| format!("{key} at {}: {:.300}", error.instance_path(), error.to_string()))
                .collect(),
            Err(error) => vec![format!("{key}: the schema cannot be used: {error}")],
        }
    }

    fn validator(&self, key: &str, schema: &Value) -> anyhow::Result<Arc<Validator>> {
        if let Some(known) = self.validators.lock().expect("no holder has panicked").get(key) {
            return Ok(Arc::clone(known));
        }
        let whole = json!({"allOf": [schema], "components": self.reachable(schema)});
        let built = (self.draft)().should_validate_formats(true).build(&whole);
        let built = Arc::new(built.map_err(|error| anyhow::anyhow!(error.to_string()))?);
        self.validators.lock().expect("no holder has panicked").insert(key.to_owned(), Arc::clone(&built));
        Ok(built)
    }

    /// The schemas that a schema refers to, directly or not, so that the rest is not compiled.
    fn reachable(&self, schema: &Value) -> Value {
        let mut schemas = serde_json::Map::new();
        let mut names = references(schema);
        while let Some(name) = names.pop() {
            if !schemas.contains_key(&name) {
                let found = self.document["components"]["schemas"][&name].clone();
                names.extend(references(&found));
                schemas.insert(name, found);
            }
        }
        json!({"schemas": schemas})
    }
}

fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str);
            let own = own.and_then(|name| name.strip_prefix("#/components/schemas/"));
            own.map(str::to_owned).into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// An address, or nothing: the empty text is the default that GitHub describes for the addresses of deployments.
pub(crate) fn is_address(text: &str) -> bool {
    text.is_empty() || url::Url::parse(text).is_ok()
}
