//! The schema of manifests says what their reader says.

use aspora::core::evidence::Manifest;
use serde_json::{Value, json};

use crate::support::captured::{manifest, picture};

#[track_caller]
fn check(change: impl FnOnce(&mut Value), is_read: bool) {
    let mut value = manifest("portfolio-view", &"1".repeat(40), &picture(1, 1));
    change(&mut value);
    let schema: Value = serde_json::from_str(include_str!("../../docs/evidence.schema.json")).unwrap();
    let schema = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let read = Manifest::parse(value.to_string().as_bytes());
    assert_eq!(read.is_ok(), is_read, "the reader: {value}: {read:?}");
    assert_eq!(schema.is_valid(&value), is_read, "the schema: {value}");
}

/// Puts a value at a pointer, also where there is nothing yet.
fn put(pointer: &'static str, value: Value) -> impl FnOnce(&mut Value) {
    move |it| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = it.pointer_mut(parent).unwrap();
        match parent {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
            parent => parent[name] = value,
        }
    }
}

fn without(name: &'static str) -> impl FnOnce(&mut Value) {
    move |it| drop(it.as_object_mut().unwrap().remove(name))
}

#[test]
fn the_schema_of_a_manifest_agrees_with_its_reader() {
    check(|_| {}, true);
    let trace = json!([{ "path": "a.zip", "sha256": "0".repeat(64), "bytes": 1 }]);
    check(put("/traces", trace), true);
    for (pointer, value) in [
        ("/identity", Value::Null),
        ("/observed/identity", Value::Null),
        ("/observed/entrypoint", Value::Null),
        ("/assertions", json!([])),
        ("/screenshots", json!([])),
        ("/console_errors", json!([""])),
        ("/captured_at", json!("2026-03-02T10:00:00.123+05:30")),
        ("/flow", json!("a".repeat(100))),
    ] {
        check(put(pointer, value), true);
    }
    let all = [
        "version",
        "flow",
        "entrypoint",
        "identity",
        "head_sha",
        "captured_at",
        "assertions",
        "screenshots",
        "console_errors",
        "observed",
        "tests",
    ];
    for name in all {
        check(without(name), false);
    }
    for (pointer, value) in [
        ("/version", json!(2)),
        ("/unknown", json!(1)),
        ("/flow", json!("A")),
        ("/flow", json!("a".repeat(101))),
        ("/entrypoint", json!("dashboard")),
        ("/identity", json!(" ")),
        ("/head_sha", json!("main")),
        ("/captured_at", json!("yesterday")),
        ("/assertions/0/passed", json!(1)),
        ("/assertions/0/name", json!("")),
        ("/assertions/0/extra", json!(1)),
        ("/screenshots/0/path", json!("../a.png")),
        ("/screenshots/0/path", json!(".png")),
        ("/screenshots/0/sha256", json!("0")),
        ("/screenshots/0/bytes", json!(-1)),
        ("/screenshots/0/bytes", json!(8_388_609)),
        ("/screenshots/0/extra", json!(1)),
        ("/console_errors", json!(["\0"])),
        ("/observed/extra", json!(1)),
        ("/observed/browser", json!("")),
        ("/tests/0/title", json!("")),
        ("/tests/0/title", json!("a".repeat(501))),
        ("/tests", json!(vec![json!({ "title": "a", "passed": true }); 201])),
    ] {
        check(put(pointer, value), false);
    }
}

#[test]
fn the_example_in_the_documentation_is_a_manifest() {
    let text = include_str!("../../docs/EVIDENCE.md");
    let example = text.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    Manifest::parse(example.as_bytes()).unwrap();
}
