//! `aspora evidence verify`: what it prints, and its exit codes.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::captured::{manifest, picture};

const HEAD: &str = "1111111111111111111111111111111111111111";
const POLICY: &str = include_str!("../../src/dev/product/wealth/.aspora/risk-policy.json");
const FLOWS: [&str; 3] = ["portfolio-view", "trade-execution", "goal-tracking"];

/// Runs a subcommand in a folder; its exit code and what it prints.
fn evidence(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut aspora = Command::new(env!("CARGO_BIN_EXE_aspora"));
    let output = aspora.current_dir(folder).arg("evidence").args(arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// A folder with the policy and honest evidence of all flows.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let captured = folder.path().join("tests/evidence");
    fs::create_dir_all(&captured).unwrap();
    fs::create_dir(folder.path().join(".aspora")).unwrap();
    fs::write(folder.path().join(".aspora/risk-policy.json"), POLICY).unwrap();
    for (shade, flow) in (1..).zip(FLOWS) {
        let picture = picture(shade * 20, 1);
        let manifest = manifest(flow, HEAD, &picture).to_string();
        fs::write(captured.join(format!("{flow}.manifest.json")), manifest).unwrap();
        fs::write(captured.join(format!("{flow}-1.png")), picture).unwrap();
    }
    folder
}

#[test]
fn verify_says_a_line_for_each_flow_and_ends_with_3() {
    let folder = folder();
    let verify = |more: &[&str]| evidence(folder.path(), &[&["verify", "--head", HEAD], more].concat());
    let good = "goal-tracking: verified\nportfolio-view: verified\ntrade-execution: verified\n";
    assert_eq!(verify(&["--product", "wealth"]), (0, good.to_owned()));
    assert_eq!(verify(&["tests/evidence"]), (0, good.to_owned()));
    let captured = folder.path().join("tests/evidence");
    fs::write(captured.join("portfolio-view-1.png"), "no picture").unwrap();
    fs::remove_file(captured.join("goal-tracking.manifest.json")).unwrap();
    let (code, said) = verify(&[]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!((code, lines.len(), lines[1]), (3, 3, "trade-execution: verified"), "{said}");
    assert!(
        lines[0].starts_with("portfolio-view: the screenshot portfolio-view-1.png has 10 bytes, not "),
        "{said}"
    );
    assert_eq!(lines[2], "goal-tracking: is required by the policy and is not there; capture this flow too");
    let (code, said) = verify(&["-o", "json"]);
    let found: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &found["verified"], &found["missing"]), (3, &json!(false), &json!(["goal-tracking"])));
    let other = evidence(folder.path(), &["verify", "--head", &"2".repeat(40)]).1;
    assert!(other.contains("is of 1111111, not of the head 2222222"), "{other}");
}

#[test]
fn what_cannot_be_verified_is_an_error_that_says_why() {
    let folder = folder();
    let check = |arguments: &[&str], code: i32, said: &str| {
        let found = evidence(folder.path(), arguments);
        assert!(found.0 == code && found.1.contains(said), "{found:?}");
    };
    check(&["verify", "--head", HEAD, "none"], 1, "open the folder none");
    check(&["verify", "--head", HEAD, ".aspora"], 1, "has 0 files *.manifest.json");
    check(&["verify", "--head", "main"], 2, "40 lower-case");
    check(&["verify"], 1, "name the one that was captured with --head");
    check(&["verify", "--head", HEAD, "--product", "goals"], 1, "has no product goals");
    check(&["verify", "--head", HEAD, "--policy", "none.json"], 1, "open none.json");
    fs::write(folder.path().join("tests/evidence/x.manifest.json"), "{\"version\": 1, \"ok\": true}")
        .unwrap();
    check(&["verify", "--head", HEAD], 1, "x.manifest.json: manifest at /ok: unknown field");
}
