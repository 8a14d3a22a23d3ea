//! Recorded decisions, judged again.

use serde_json::{Value, json};

use super::{HIGH, facts};
use crate::policy::{judge, judged_again};

fn recorded() -> (Value, Value) {
    let facts = facts(HIGH);
    (serde_json::to_value(&facts).unwrap(), serde_json::to_value(judge(&facts)).unwrap())
}

#[track_caller]
fn check(change: impl FnOnce(&mut Value), expected: &[(&str, bool)]) {
    let (facts, mut report) = recorded();
    change(&mut report);
    let found = judged_again("verdict", &facts, &report).unwrap();
    let found: Vec<_> = found.iter().map(|it| (it.pointer.as_str(), it.decides)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_decision_that_comes_out_as_recorded_does_not_differ() {
    check(|_| {}, &[]);
}

#[test]
fn what_was_decided_is_kept_apart_from_its_words() {
    check(|report| report["classification"]["tier"] = json!("low"), &[("/classification/tier", true)]);
    check(|report| report["demands"]["approvals"] = json!(7), &[("/demands/approvals", true)]);
    check(|report| report["checks"][0]["detail"] = json!("as it was"), &[("/checks/0/detail", false)]);
    check(|report| report["checks"] = json!([]), &[("/checks", true)]);
}

#[test]
fn a_part_that_reports_did_not_have_is_no_other_decision() {
    check(
        |report| drop(report["demands"].as_object_mut().unwrap().remove("approvals")),
        &[("/demands/approvals", false)],
    );
    check(|report| report["demands"]["former"] = json!(null), &[]);
    check(|report| report["demands"]["former"] = json!(1), &[("/demands/former", true)]);
}

#[test]
fn facts_that_cannot_be_read_are_an_error() {
    assert!(judged_again("verdict", &json!({}), &json!({})).unwrap_err().contains("cannot be read"));
    assert!(judged_again("later", &recorded().0, &json!({})).unwrap_err().contains("later"));
}
