//! The Wealth product and the script: every answer applies, and the product's own tests check the result.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use aspora::dev::product::{SCRIPT, script_file, wealth};
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Script {
    answer: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    task: String,
    #[serde(default)]
    when: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    file: String,
}

type Files = BTreeMap<String, String>;

fn script() -> Script {
    toml::from_str(SCRIPT).unwrap()
}

fn product() -> Files {
    wealth()
        .into_iter()
        .map(|(path, bytes)| (path.to_owned(), String::from_utf8(bytes.to_vec()).unwrap()))
        .collect()
}

/// The script's answer for `task` to a prompt with `ask` and all files.
fn answer(task: &str, ask: &str, files: &Files) -> &'static str {
    let prompt =
        files.iter().fold(ask.to_owned(), |prompt, (path, text)| format!("{prompt}\n{path}\n{text}"));
    let matches = |entry: &Entry| {
        entry.task == task
            && entry.when.iter().all(|text| prompt.contains(text))
            && !entry.unless.iter().any(|text| prompt.contains(text))
    };
    let entry = script().answer.into_iter().find(matches).unwrap();
    script_file(&entry.file).unwrap()
}

/// Applies the scripted answer for a task.
fn act(files: &mut Files, task: &str, ask: &str) {
    let answer = answer(task, ask, files);
    apply(files, answer);
}

/// Applies the blocks of an answer.
fn apply(files: &mut Files, answer: &str) {
    let mut rest = answer;
    while let Some((_, from)) = rest.split_once("\n=== ") {
        let (head, body) = from.split_once('\n').unwrap();
        if matches!(head, "why:" | "end: why") {
            rest = from.strip_prefix(head).unwrap();
            continue;
        }
        let (verb, path) = head.split_once(": ").unwrap();
        let (body, after) = body.split_once(&format!("=== end: {path}")).unwrap();
        match verb {
            "file" => drop(files.insert(path.to_owned(), body.to_owned())),
            "edit" => edit(files.get_mut(path).unwrap(), body),
            other => panic!("unknown block `{other}`"),
        }
        rest = after;
    }
}

fn edit(text: &mut String, body: &str) {
    for block in body.split("<<<<<<< SEARCH\n").skip(1) {
        let (search, replace) = block.split_once("=======\n").unwrap();
        let replace = replace.split_once(">>>>>>> REPLACE").unwrap().0;
        assert_eq!(text.matches(search).count(), 1, "{search}");
        *text = text.replace(search, replace);
    }
}

/// Runs the product's own tests: whether they passed, and their report.
fn run_tests(files: &Files) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut python = Command::new("python3");
    python
        .args(["-B", "-m", "unittest", "discover", "-v", "-t", ".", "-s", "tests"])
        .current_dir(folder.path());
    let output = python.output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

fn passes(files: &Files) -> String {
    let (passed, report) = run_tests(files);
    assert!(passed, "{report}");
    report
}

const RISK_CHECKER: &str = "We need a portfolio risk checker for Wealth product";
const GOAL_PROGRESS: &str = "Show the progress towards a savings goal as a percentage";
const HOLDINGS: &str = "Customers want to see the share of each holding in their portfolio";

#[test]
fn the_list_of_files_matches_the_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dev/product/wealth");
    let mut todo = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(path) = todo.pop() {
        if path.ends_with("__pycache__") {
            continue;
        }
        if path.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    let (package, own): (Vec<_>, Vec<_>) =
        product().into_keys().partition(|path| path.starts_with("tools/browser-evidence/"));
    assert_eq!(found, own);
    assert!(package.contains(&"tools/browser-evidence/index.js".to_owned()), "{package:?}");
}

#[test]
fn the_risk_policy_equals_the_contract_byte_for_byte() {
    let policy = product().remove(".aspora/risk-policy.json").unwrap();
    let expected = "c4dcd784188f996fb3818d4748f30e40ab74528922eaa1bc58f3345fb9c1b6b6";
    assert_eq!(hex::encode(Sha256::digest(policy.as_bytes())), expected);
}

#[test]
fn the_flows_of_the_policy_have_their_evidence() {
    let files = product();
    let policy: serde_json::Value = serde_json::from_str(&files[".aspora/risk-policy.json"]).unwrap();
    let required = &policy["products"]["wealth"]["evidenceRequirements"]["ui_changes"]["requiredFlows"];
    for flow in required.as_array().unwrap() {
        let flow = flow.as_str().unwrap();
        let spec = &files[&format!("tests/browser/{flow}.spec.ts")];
        assert!(spec.contains(&format!("flow: \"{flow}\",")), "{flow}");
    }
}

#[test]
fn the_product_passes_its_own_tests() {
    passes(&product());
}

#[test]
fn each_answer_exists_and_no_product_file_contains_the_text_of_a_requirement() {
    let files = product();
    for entry in script().answer {
        assert!(script_file(&entry.file).is_some(), "{}", entry.file);
        let asked = entry.when.iter().filter(|_| entry.task == "generate");
        for text in asked {
            assert!(!files.values().any(|file| file.contains(text)), "the product contains `{text}`");
        }
    }
}

#[test]
fn the_risk_checker_is_generated_with_two_faults_reviewed_and_fixed() {
    let mut files = product();
    act(&mut files, "generate", RISK_CHECKER);
    passes(&files);

    let review: serde_json::Value = serde_json::from_str(answer("review", RISK_CHECKER, &files)).unwrap();
    let findings = review["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 2);
    let line = |finding: &serde_json::Value| {
        let text = &files[finding["path"].as_str().unwrap()];
        let line = usize::try_from(finding["line"].as_u64().unwrap()).unwrap();
        text.lines().nth(line - 1).unwrap().trim().to_owned()
    };
    assert_eq!(line(&findings[0]), "risk_pct = daily_loss / portfolio_value");
    assert_eq!(line(&findings[1]), r#"user_id = arguments.get("user_id")"#);

    let prompt = format!("{RISK_CHECKER}\n{review}");
    let buggy = files.clone();
    act(&mut files, "remediate", &prompt);
    let report = passes(&files);
    let new = ["test_risk_checker_zero_portfolio", "test_risk_checker_invalid_user_id"];
    assert!(new.iter().all(|test| report.contains(test)), "{report}");
    let clean: serde_json::Value = serde_json::from_str(answer("review", RISK_CHECKER, &files)).unwrap();
    assert_eq!(clean["findings"], serde_json::json!([]));

    // The new tests cover the faults: without the fix they fail.
    let mut unfixed = buggy;
    unfixed.insert("tests/test_risk_checker.py".to_owned(), files["tests/test_risk_checker.py"].clone());
    let (passed, report) = run_tests(&unfixed);
    assert!(!passed && report.contains("(failures=1, errors=1)"), "{report}");

    assert!(answer("generate", RISK_CHECKER, &files).starts_with("=== decline: "), "it exists already");
}

#[test]
fn the_goal_progress_changes_no_risky_path() {
    let mut files = product();
    let before = files.clone();
    act(&mut files, "generate", GOAL_PROGRESS);
    passes(&files);
    let risky = ["api/", "services/", "channels/", "formatters/", "db/"];
    let changed: Vec<&String> = files.keys().filter(|path| files.get(*path) != before.get(*path)).collect();
    assert!(
        !changed.is_empty() && !changed.iter().any(|path| risky.iter().any(|root| path.starts_with(root)))
    );
}

#[test]
fn the_holdings_lack_docs_and_the_remediation_adds_them() {
    let mut files = product();
    let docs = files["docs/API.md"].clone();
    act(&mut files, "generate", HOLDINGS);
    passes(&files);
    assert_eq!(files["docs/API.md"], docs);

    act(&mut files, "remediate", HOLDINGS);
    passes(&files);
    assert!(files["docs/API.md"].contains("GET /api/v1/holdings"));
}

#[test]
fn an_unknown_requirement_is_declined_and_an_unknown_change_has_no_findings() {
    let files = product();
    assert!(answer("generate", "Paint it green", &files).starts_with("=== decline: "));
    assert!(answer("review", "Paint it green", &files).contains(r#""findings": []"#));
}
