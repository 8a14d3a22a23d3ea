//! The schema of golden cases says what their reader says.

use aspora::core::policy::Cases;
use serde_json::{Value, json};

#[track_caller]
fn check(file: &Value, is_read: bool) {
    let schema: Value = serde_json::from_str(include_str!("../../docs/policy-tests.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    assert_eq!(Cases::parse(file.to_string().as_bytes()).is_ok(), is_read, "the reader: {file}");
    assert_eq!(schema.is_valid(file), is_read, "the schema: {file}");
}

fn file(case: &Value) -> Value {
    json!({ "version": "1", "product": "wealth", "cases": [case] })
}

#[test]
fn the_example_of_the_documentation_is_a_file_of_cases() {
    let documentation = include_str!("../../docs/POLICY.md");
    let example = documentation.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    check(&serde_json::from_str(example).unwrap(), true);
    let seed = include_str!("../../src/dev/product/wealth/.aspora/risk-policy.json");
    let results = Cases::parse(example.as_bytes()).unwrap().run(seed).unwrap();
    assert!(results.iter().all(|case| case.differences.is_empty()), "{results:#?}");
}

#[test]
fn both_refuse_the_same() {
    let expect = json!({ "tier": "low" });
    check(&file(&json!({ "name": "a", "paths": ["x"], "expect": expect })), true);
    check(
        &file(&json!({ "name": "a", "change": [{ "path": "x", "mode": "120000" }], "expect": expect })),
        true,
    );
    check(
        &file(
            &json!({ "name": "a", "change": [{ "path": "x", "status": "renamed", "from": "y" }], "expect": expect }),
        ),
        true,
    );
    for wrong in [
        json!({ "name": "a", "paths": ["x"] }),
        json!({ "name": "", "paths": ["x"], "expect": expect }),
        json!({ "name": "a", "expect": expect }),
        json!({ "name": "a", "paths": ["x"], "change": [], "expect": expect }),
        json!({ "name": "a", "paths": ["x"], "expect": {} }),
        json!({ "name": "a", "paths": ["x"], "expect": { "tiers": 1 } }),
        json!({ "name": "a", "paths": ["x"], "expect": { "approvals": -1 } }),
        json!({ "name": "a", "change": [{ "path": "x", "status": "moved" }], "expect": expect }),
        json!({ "name": "a", "change": [{ "path": "x", "status": "renamed" }], "expect": expect }),
        json!({ "name": "a", "change": [{ "path": "x", "from": "y" }], "expect": expect }),
        json!({ "name": "a", "change": [{ "path": "x", "mode": "644" }], "expect": expect }),
        json!({ "name": "a", "paths": ["x"], "expect": expect, "odd": 1 }),
    ] {
        check(&file(&wrong), false);
    }
    check(&json!({ "version": "2", "cases": [] }), false);
    check(&json!({ "cases": [] }), false);
}
