//! Judging again what was judged: recorded facts must give the recorded decision.

use serde::{Deserialize as _, Serialize};
use serde_json::{Map, Value};

use super::{Facts, Phase, judge, preflight};

/// Parts of a report that say something to people and decide nothing: a later release may say it in other words.
const WORDS: [&str; 13] = [
    "tree",
    "sentence",
    "detail",
    "progress",
    "why",
    "message",
    "rule",
    "reasons",
    "warnings",
    "unmatched",
    "by",
    "demanded_by",
    "approvals_by",
];

/// One place at which a decision comes out otherwise than it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The JSON pointer into the report.
    pub pointer: String,
    /// What was recorded; `None` if the report did not have this part.
    pub recorded: Option<Value>,
    /// What comes out now; `None` if the report no longer has this part.
    pub now: Option<Value>,
    /// Whether it is in what was decided: not in its wording, and not a part that reports did not have then.
    pub decides: bool,
}

/// Judges recorded facts again and compares with the recorded report; no difference if both are the same.
///
/// # Errors
/// When the facts cannot be read, or the stage is none.
pub fn judged_again(stage: &str, facts: &Value, report: &Value) -> Result<Vec<Difference>, String> {
    let facts = Facts::deserialize(facts).map_err(|error| format!("its facts cannot be read: {error}"))?;
    let assessment = match stage {
        _ if stage == Phase::Preflight.as_str() => preflight(&facts),
        _ if stage == Phase::Verdict.as_str() => judge(&facts),
        _ => return Err(format!("{stage:?} is neither `preflight` nor `verdict`")),
    };
    let now =
        serde_json::to_value(assessment).map_err(|error| format!("its report cannot be written: {error}"))?;
    let mut differences = Vec::new();
    compare(&mut String::new(), report, &now, &mut differences);
    Ok(differences)
}

fn compare(pointer: &mut String, recorded: &Value, now: &Value, found: &mut Vec<Difference>) {
    match (recorded, now) {
        (Value::Object(recorded), Value::Object(now)) => objects(pointer, recorded, now, found),
        (Value::Array(recorded), Value::Array(now)) if recorded.len() == now.len() => {
            for (index, (recorded, now)) in recorded.iter().zip(now).enumerate() {
                below(pointer, &index.to_string(), |pointer| compare(pointer, recorded, now, found));
            }
        }
        _ if recorded == now => {}
        _ => found.push(Difference {
            pointer: pointer.clone(),
            recorded: Some(recorded.clone()),
            now: Some(now.clone()),
            decides: decides(pointer),
        }),
    }
}

fn objects(
    pointer: &mut String,
    recorded: &Map<String, Value>,
    now: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    for (key, recorded) in recorded {
        below(pointer, key, |pointer| match now.get(key) {
            Some(now) => compare(pointer, recorded, now, found),
            None if is_nothing(recorded) => {}
            None => found.push(Difference {
                pointer: pointer.clone(),
                recorded: Some(recorded.clone()),
                now: None,
                decides: decides(pointer),
            }),
        });
    }
    let new = now.iter().filter(|(key, now)| !recorded.contains_key(*key) && !is_nothing(now));
    for (key, now) in new {
        below(pointer, key, |pointer| {
            found.push(Difference {
                pointer: pointer.clone(),
                recorded: None,
                now: Some(now.clone()),
                decides: false,
            });
        });
    }
}

/// Calls `act` with the pointer to a part of where it points.
fn below(pointer: &mut String, key: &str, act: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
    act(pointer);
    pointer.truncate(length);
}

/// Whether a value says no more than its absence.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

fn decides(pointer: &str) -> bool {
    !pointer.split('/').any(|part| WORDS.contains(&part))
}
