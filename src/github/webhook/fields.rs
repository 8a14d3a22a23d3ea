//! Fields of a payload, any of which may be absent, null or of another kind.

use serde_json::Value;

use crate::core::requirement::RepoName;

pub(super) fn text<'a>(payload: &'a Value, at: &str) -> Option<&'a str> {
    payload.pointer(at)?.as_str()
}

/// The only member of a list; a list of several names none in particular.
pub(super) fn only<'a>(payload: &'a Value, at: &str) -> Option<&'a Value> {
    match payload.pointer(at)?.as_array()?.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

/// The names of the repositories in a list.
pub(super) fn repositories(payload: &Value, at: &str) -> Vec<RepoName> {
    let listed = payload.pointer(at).and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(|it| it.get("full_name")?.as_str()?.parse().ok()).collect()
}
