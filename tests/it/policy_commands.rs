//! `aspora policy lint`, `explain` and `test`: what they print, and their exit codes.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

const SEED: &str = include_str!("../../src/dev/product/wealth/.aspora/risk-policy.json");

/// Runs a subcommand in a folder; its exit code and what it prints.
fn policy(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut aspora = Command::new(env!("CARGO_BIN_EXE_aspora"));
    let output = aspora.current_dir(folder).arg("policy").args(arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn folder(policy: &str, cases: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(".aspora")).unwrap();
    fs::write(folder.path().join(".aspora/risk-policy.json"), policy).unwrap();
    fs::write(folder.path().join(".aspora/policy-tests.json"), cases).unwrap();
    folder
}

const CASES: &str = r#"{"version": "1", "product": "wealth", "cases": [
  {"name": "trades", "paths": ["api/v1/trades/a.py"], "expect": {"tier": "critical"}},
  {"name": "tests", "paths": ["tests/a.py"], "expect": {"tier": "low", "approvals": 0}}
]}"#;

#[test]
fn lint_names_every_fault_with_its_line_and_ends_with_3() {
    let good = folder(SEED, CASES);
    let name = ".aspora/risk-policy.json";
    assert_eq!(policy(good.path(), &["lint"]), (0, format!("{name} is a policy: 0 errors, 0 warnings\n")));
    let wrong = SEED.replacen("\"1\"", "\"2\"", 1).replacen("\"channels/**\"", "\"/channels/**\"", 1);
    let wrong = folder(&wrong, CASES);
    let (code, said) = policy(wrong.path(), &["lint"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.starts_with(&format!("{name}:2: error: /version: must be \"1\"")), "{said}");
    let line = SEED.lines().position(|line| line.contains("channels/**")).unwrap() + 1;
    assert!(
        said.contains(&format!("{name}:{line}: error: /products/wealth/riskTierRules/medium/0:")),
        "{said}"
    );
    assert!(said.ends_with("is refused: 2 errors, 0 warnings\n"), "{said}");
    let (code, said) = policy(wrong.path(), &["lint", "-o", "json"]);
    let found: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &found["faults"][1]["line"]), (3, &Value::from(line)));
    assert_eq!(policy(good.path(), &["lint", "--policy", "none.json"]).0, 1);
    assert_eq!(policy(good.path(), &["lint", "--odd"]).0, 2);
    let (code, said) = policy(good.path(), &["lint", "--repo", "."]);
    assert!(code == 1 && said.contains("there is no git repository"), "{said}");
}

#[test]
fn explain_says_tier_pattern_and_line() {
    let folder = folder(SEED, CASES);
    let (code, said) = policy(folder.path(), &["explain", "api/v1/trades/a.py", ".github/x.yml"]);
    let line = SEED.lines().position(|line| line.contains("api/v1/trades/**")).unwrap() + 1;
    assert_eq!(code, 0, "{said}");
    let expected = format!(
        "critical  \"api/v1/trades/a.py\" by `api/v1/trades/**` of wealth (.aspora/risk-policy.json:{line})\n"
    );
    assert!(said.starts_with(&expected), "{said}");
    assert!(said.contains("critical  \".github/x.yml\": ") && said.contains("(built in)"), "{said}");
    assert!(
        said.contains("together: critical\n") && said.contains("asks:     2 approvals by people\n"),
        "{said}"
    );
}

#[test]
fn a_case_that_differs_is_printed_with_how_and_a_wrong_file_with_its_pointer() {
    let good = folder(SEED, CASES);
    assert_eq!(policy(good.path(), &["test"]), (0, "2 cases, all as expected\n".to_owned()));
    let differing = folder(&SEED.replacen("\"api/v1/trades/**\",", "", 1), CASES);
    let (code, said) = policy(differing.path(), &["test"]);
    assert_eq!(code, 3, "{said}");
    let expected = ".aspora/policy-tests.json:2: trades differs\n    tier: expected critical, is high, \
                    \"api/v1/trades/a.py\" by `api/v1/**` of wealth\n1 of 2 cases differ\n";
    assert_eq!(said, expected);
    let wrong = folder(SEED, &CASES.replacen("\"low\"", "\"lowest\"", 1));
    let (code, said) = policy(wrong.path(), &["test"]);
    assert!(code == 3 && said.starts_with(".aspora/policy-tests.json:3: /cases/1/expect/tier: "), "{said}");
    let broken = folder("{}", CASES);
    let (code, said) = policy(broken.path(), &["test"]);
    assert!(code == 3 && said.starts_with(".aspora/risk-policy.json:1: /: has no `products`"), "{said}");
}
