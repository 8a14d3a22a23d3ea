//! Lists that lag behind, on demand: the answer of an earlier read of the same page, or an empty one.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use axum::body::Bytes;
use serde_json::{Value, json};

/// The last answer of each list, by path and query.
#[derive(Debug, Default)]
pub(crate) struct Lists(Mutex<HashMap<String, Bytes>>);

impl Lists {
    /// Remembers the answer of a list; gives the one before it if this read is to be stale, an empty one if there
    /// was none. Anything that is not a list passes.
    pub(crate) fn pass(&self, address: &str, answer: Bytes, stale: bool) -> Bytes {
        let Some(empty) = serde_json::from_slice(&answer).ok().and_then(emptied) else { return answer };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stale {
            return last.get(address).cloned().unwrap_or_else(|| empty.to_string().into());
        }
        last.insert(address.to_owned(), answer.clone());
        answer
    }
}

fn emptied(answer: Value) -> Option<Value> {
    match answer {
        Value::Array(_) => Some(json!([])),
        Value::Object(mut fields) if fields.contains_key("total_count") => {
            for value in fields.values_mut() {
                match value {
                    Value::Array(items) => items.clear(),
                    Value::Number(_) => *value = json!(0),
                    _ => {}
                }
            }
            Some(Value::Object(fields))
        }
        _ => None,
    }
}
