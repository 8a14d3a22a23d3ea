//! Golden cases: what they may say, and how what differs is said.

use super::SEED;
use crate::policy::Cases;

fn cases(one: &str) -> String {
    format!(r#"{{"version": "1", "product": "wealth", "cases": [{{{one}}}]}}"#)
}

#[track_caller]
fn check(one: &str, differences: &[&str]) {
    let cases = Cases::parse(cases(one).as_bytes()).unwrap();
    let results = cases.run(SEED).unwrap();
    assert_eq!(results[0].differences, differences);
}

#[track_caller]
fn refuse(one: &str, pointer: &str, word: &str) {
    let error = Cases::parse(cases(one).as_bytes()).unwrap_err();
    assert_eq!(error.pointer, pointer, "{error}");
    assert!(error.message.contains(word), "{error}");
}

#[test]
fn a_case_that_holds_differs_in_nothing() {
    let expected = r#""expect": {"tier": "high", "approvals": 1, "people": 0, "blocked": false,
        "checks": ["harness-smoke", "Browser Evidence", "Code Review Agent", "CI Pipeline"]}"#;
    check(&format!(r#""name": "a", "paths": ["api/v1/risk_check.py", "docs/API.md"], {expected}"#), &[]);
}

#[test]
fn each_part_that_differs_is_said() {
    check(
        r#""name": "a", "paths": ["api/v1/trades/buy.py"], "expect": {"tier": "low", "approvals": 0, "people": 1,
            "blocked": false, "checks": ["CI Pipeline", "Fuzz"]}"#,
        &[
            "tier: expected low, is critical, \"api/v1/trades/buy.py\" by `api/v1/trades/**` of wealth",
            "checks: expected `Fuzz`, which it does not need",
            "checks: needs `Browser Evidence`, `Code Review Agent`, `Security Scan`, `harness-integration`, \
             `harness-smoke`, which is not expected",
            "approvals: expected 0, is 2",
            "people: expected 1, is 2",
            "blocked: expected not, is: \"api/v1/trades/buy.py\" changed and no document did; update docs/API.md or \
             docs/ARCHITECTURE.md",
        ],
    );
}

#[test]
fn renames_deletions_and_modes_are_judged_as_in_a_pull_request() {
    let renamed = r#"{"path": "lib/x.py", "status": "renamed", "from": "services/broker_gateway.py"}"#;
    check(&format!(r#""name": "a", "change": [{renamed}], "expect": {{"tier": "critical"}}"#), &[]);
    let link = r#"{"path": "docs/a.md", "mode": "120000", "oldMode": "100644"}"#;
    check(&format!(r#""name": "a", "change": [{link}], "expect": {{"tier": "critical"}}"#), &[]);
    let deleted = r#"{"path": "db/migrations/1.sql", "status": "deleted"}"#;
    check(&format!(r#""name": "a", "change": [{deleted}], "expect": {{"tier": "critical"}}"#), &[]);
    check(r#""name": "a", "change": [], "expect": {"tier": "low"}"#, &[]);
}

#[test]
fn a_file_that_is_wrong_names_the_pointer() {
    refuse("", "/cases/0", "has no `name`");
    refuse(r#""name": """#, "/cases/0/name", "1 to");
    refuse(r#""name": "a", "paths": ["/x"]"#, "/cases/0/paths/0", "relative to the repository's root");
    refuse(r#""name": "a", "paths": [], "change": []"#, "/cases/0/change", "either");
    refuse(
        r#""name": "a", "change": [{"path": "x", "status": "moved"}]"#,
        "/cases/0/change/0/status",
        "renamed",
    );
    refuse(
        r#""name": "a", "change": [{"path": "x", "status": "renamed"}]"#,
        "/cases/0/change/0",
        "no `from`",
    );
    refuse(r#""name": "a", "change": [{"path": "x", "from": "y"}]"#, "/cases/0/change/0/from", "only for");
    refuse(r#""name": "a", "change": [{"path": "x", "mode": "644"}]"#, "/cases/0/change/0/mode", "100644");
    refuse(r#""name": "a", "paths": ["x"]"#, "/cases/0", "has no `expect`");
    refuse(r#""name": "a", "paths": ["x"], "expect": {}"#, "/cases/0/expect", "expects nothing");
    refuse(
        r#""name": "a", "paths": ["x"], "expect": {"tier": "grave"}"#,
        "/cases/0/expect/tier",
        "not a tier",
    );
    refuse(
        r#""name": "a", "paths": ["x"], "expect": {"tiers": 1}"#,
        "/cases/0/expect/tiers",
        "nothing that can be",
    );
    refuse(r#""name": "a", "odd": 1"#, "/cases/0/odd", "no key of a case");
    for (text, pointer, word) in [
        ("{}", "", "version"),
        (r#"{"version": "2"}"#, "/version", "only version"),
        (r#"{"version": "1", "cases": []}"#, "/cases", "0 cases"),
        (
            r#"{"version": "1", "cases": [{"name": "a", "paths": ["x"], "expect": {"tier": "low"}}]}"#,
            "/cases/0",
            "`product`",
        ),
        ("[", "", "not JSON"),
    ] {
        let error = Cases::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.pointer, pointer, "{error}");
        assert!(error.message.contains(word), "{error}");
    }
}

#[test]
fn two_cases_of_one_name_and_a_product_that_the_policy_lacks_are_refused() {
    let one = r#"{"name": "a", "paths": ["x"], "expect": {"tier": "low"}}"#;
    let twice = format!(r#"{{"version": "1", "product": "wealth", "cases": [{one}, {one}]}}"#);
    assert_eq!(Cases::parse(twice.as_bytes()).unwrap_err().pointer, "/cases/1");
    let foreign = format!(r#"{{"version": "1", "product": "goals", "cases": [{one}]}}"#);
    let error = Cases::parse(foreign.as_bytes()).unwrap().run(SEED).unwrap_err();
    assert!(error.message.contains("goals"), "{error}");
}
