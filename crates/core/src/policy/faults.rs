//! Everything that is wrong or odd about a policy document, each with its place.

use serde::{Deserialize, Serialize};

use super::{Error, Policy, json::Value, locate::line_of, parse};

/// The most faults of one document that are listed.
const MOST_FAULTS: usize = 100;

/// One thing about a policy document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remarked {
    /// The JSON pointer (RFC 6901) of what it is about; empty for the whole document.
    pub pointer: String,
    /// The line of the text that it begins on, counted from 1.
    pub line: usize,
    /// What is wrong or odd there.
    pub message: String,
}

/// What is to be said of a policy document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linted {
    /// Why it is refused, in the order in which it is read; empty for a policy. At most 100.
    pub faults: Vec<Remarked>,
    /// What is odd but works, in the order in which it is read. Only a document without faults is read to its end.
    pub warnings: Vec<Remarked>,
}

/// Reads a document to its end, whatever is wrong with it. A fault that only follows from another is left out.
#[must_use]
pub fn lint(bytes: &[u8]) -> Linted {
    let text = String::from_utf8_lossy(bytes);
    let place = |error: Error| {
        let line = syntax_line(bytes).filter(|_| error.pointer.is_empty());
        let line = line.unwrap_or_else(|| line_of(&text, &error.pointer));
        Remarked { line, pointer: error.pointer, message: error.message }
    };
    match Policy::parse(bytes) {
        Ok(policy) => {
            let warned = policy.placed_warnings().map(|(pointer, message)| Remarked {
                pointer: pointer.to_owned(),
                line: line_of(&text, pointer),
                message: message.to_owned(),
            });
            Linted { faults: Vec::new(), warnings: warned.collect() }
        }
        Err(first) => {
            let faults = if Value::parse(bytes).is_ok() { faults(bytes, first) } else { vec![first] };
            Linted { faults: faults.into_iter().map(place).collect(), warnings: Vec::new() }
        }
    }
}

/// Every fault: each one that is found is taken out of the document, which is then read again.
fn faults(bytes: &[u8], first: Error) -> Vec<Error> {
    let (mut faults, mut removed) = (vec![first.clone()], Vec::new());
    let Ok(mut document) = Value::parse(bytes) else { return faults };
    let mut next = first;
    while faults.len() < MOST_FAULTS && document.remove(&next.pointer) {
        removed.push(next.pointer);
        let Err(error) = parse::read(&document) else { break };
        // What a part lacks because it was taken out is no fault of its own.
        if !removed.iter().any(|gone| above(gone) == Some(&error.pointer)) {
            faults.push(error.clone());
        }
        next = error;
    }
    faults
}

fn above(pointer: &str) -> Option<&str> {
    pointer.rsplit_once('/').map(|(above, _)| above)
}

/// The line at which a text stops being JSON.
fn syntax_line(bytes: &[u8]) -> Option<usize> {
    let read = serde_json::from_slice::<serde::de::IgnoredAny>(bytes);
    read.err().map(|error| error.line().max(1))
}

#[cfg(test)]
mod tests {
    use super::super::tests::SEED;
    use super::*;

    #[track_caller]
    fn check(from: &str, to: &str, faults: &[(&str, &str)]) {
        assert!(SEED.contains(from), "{from}");
        let text = SEED.replacen(from, to, 1);
        let linted = lint(text.as_bytes());
        assert_eq!(linted.faults.len(), faults.len(), "{:#?}", linted.faults);
        for (fault, (pointer, line)) in linted.faults.iter().zip(faults) {
            assert_eq!(fault.pointer, *pointer, "{fault:?}");
            let shown = text.lines().nth(fault.line - 1).unwrap();
            assert!(shown.contains(line), "{fault:?} is on the line {shown:?}");
        }
    }

    #[test]
    fn the_seed_has_no_fault_and_no_warning() {
        assert_eq!(lint(SEED.as_bytes()), Linted::default());
    }

    #[test]
    fn each_fault_has_its_pointer_and_its_line() {
        check(
            "\"requiredApprovals\": 2",
            "\"requiredApprovals\": -2",
            &[("/products/wealth/mergePolicy/critical/requiredApprovals", "\"requiredApprovals\": -2")],
        );
        check("\"1\"", "\"2\"", &[("/version", "\"2\"")]);
        check(
            "\"channels/**\"",
            "\"/channels/**\", 7",
            &[
                ("/products/wealth/riskTierRules/medium/0", "/channels/**"),
                ("/products/wealth/riskTierRules/medium/1", "7"),
            ],
        );
    }

    #[test]
    fn what_follows_from_a_fault_is_not_another() {
        check(
            "\"critical\": {",
            "\"critical\": 7, \"odd\": {",
            &[
                ("/products/wealth/mergePolicy/critical", "\"critical\": 7"),
                ("/products/wealth/mergePolicy/odd", "\"odd\""),
            ],
        );
    }

    #[test]
    fn a_text_that_is_no_json_has_the_line_where_it_ends_to_be() {
        let linted = lint(b"{\n  \"version\": \"1\",\n  oops\n}");
        assert_eq!(linted.faults.len(), 1);
        assert_eq!((linted.faults[0].line, linted.faults[0].pointer.as_str()), (3, ""));
        assert_eq!(lint(b"").faults[0].message, "is empty");
    }

    #[test]
    fn a_warning_has_its_place_too() {
        let text = SEED.replace("\"channels/**\"", "\"channels/**\",\n \"api/v1/trades/x.py\"");
        let linted = lint(text.as_bytes());
        let dead = linted.warnings.iter().find(|it| it.message.contains("api/v1/trades/x.py")).unwrap();
        assert_eq!(dead.pointer, "/products/wealth/riskTierRules/medium/1");
        assert!(text.lines().nth(dead.line - 1).unwrap().contains("api/v1/trades/x.py"));
    }
}
