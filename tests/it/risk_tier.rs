//! `aspora-risk-tier` on real repositories.
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

const SEED: &str = include_str!("../../src/dev/product/wealth/.aspora/risk-policy.json");
const POLICY: &str = ".aspora/risk-policy.json";

/// A repository whose first commit holds the seed's policy and a critical file.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "-q", "-b", "main"]);
        repository.write(POLICY, SEED);
        repository.write("services/broker_gateway.py", "one\ntwo\nthree\nfour\n");
        repository.commit();
        repository
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "c"]);
    }

    fn git(&self, arguments: &[&str]) {
        let done = Command::new("git").arg("-C").arg(self.path()).args(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    fn risk_tier(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aspora-risk-tier"));
        command.arg("--repo").arg(self.path()).args(arguments).output().unwrap()
    }

    /// What the last commit is, as the seed's CI asks.
    fn tier(&self) -> String {
        let ask = ["--policy", POLICY, "--product", "wealth", "--base", "HEAD~1", "--head", "HEAD"];
        let output = self.risk_tier(&ask);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn a_tier_is_one_word_on_standard_output() {
    let repository = Repository::new();
    repository.write("services/risk_checker.py", "x");
    repository.commit();
    assert_eq!(repository.tier(), "high\n");
}

#[test]
fn a_rename_that_hides_a_critical_path_is_critical() {
    let repository = Repository::new();
    repository.git(&["config", "diff.renames", "copies"]);
    repository.write("tests/notes.py", "");
    repository.git(&["mv", "-f", "services/broker_gateway.py", "tests/notes.py"]);
    repository.commit();
    assert_eq!(repository.tier(), "critical\n");
}

#[test]
fn names_that_git_quotes_are_judged_as_they_are() {
    for name in ["db/migrations/café.sql", "db/migrations/a\nb.sql", "db/migrations/\"q\".sql"] {
        let repository = Repository::new();
        repository.write(name, "x");
        repository.commit();
        assert_eq!(repository.tier(), "critical\n", "{name:?}");
    }
}

#[test]
fn a_pull_request_cannot_lower_its_own_policy() {
    let repository = Repository::new();
    repository.write(POLICY, &SEED.replace("\"services/broker_gateway.py\",", ""));
    repository.write("services/broker_gateway.py", "changed");
    repository.commit();
    assert_eq!(repository.tier(), "critical\n");
    let ask =
        ["--policy", POLICY, "--product", "wealth", "--base", "HEAD~1", "--head", "HEAD", "--format", "json"];
    let answer: serde_json::Value = serde_json::from_slice(&repository.risk_tier(&ask).stdout).unwrap();
    let gateway =
        answer["paths"].as_array().unwrap().iter().find(|p| p["path"] == "services/broker_gateway.py");
    assert_eq!(gateway.unwrap()["tier"], "critical");
}

#[test]
fn a_symlink_is_critical_and_a_diff_driver_is_not_run() {
    let repository = Repository::new();
    repository.git(&["config", "diff.external", "touch external-ran; false"]);
    std::os::unix::fs::symlink("/etc/passwd", repository.path().join("notes.txt")).unwrap();
    repository.commit();
    assert_eq!(repository.tier(), "critical\n");
    assert!(!repository.path().join("external-ran").exists());
}

#[test]
fn a_policy_outside_the_repository_is_read_as_a_file() {
    let repository = Repository::new();
    repository.write("tests/a.py", "x");
    repository.commit();
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), SEED).unwrap();
    let policy = outside.path().to_str().unwrap();
    let ask = ["--policy", policy, "--product", "wealth", "--base", "HEAD~1", "--head", "HEAD"];
    assert_eq!(repository.risk_tier(&ask).stdout, b"low\n");
}

#[test]
fn no_policy_at_the_base_is_critical() {
    let repository = Repository::new();
    repository.git(&["rm", "-q", POLICY]);
    repository.commit();
    repository.write(POLICY, SEED);
    repository.commit();
    assert_eq!(repository.tier(), "critical\n");
}

#[test]
fn errors_go_to_standard_error_with_their_exit_codes() {
    let repository = Repository::new();
    let check = |arguments: &[&str], code, word: &str| {
        let output = repository.risk_tier(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]), "{said}");
        assert!(said.contains(word), "{said}");
    };
    check(&["--policy", POLICY], 2, "--product");
    check(&["--policy", POLICY, "--product", "W!", "--base", "HEAD", "--head", "HEAD"], 2, "product");
    check(&["--policy", POLICY, "--product", "wealth", "--base", "nope", "--head", "HEAD"], 1, "nope");
    check(&["--policy", POLICY, "--product", "wealth", "--base=--output=x", "--head", "HEAD"], 1, "commit");
    repository.write(POLICY, r#"{"products": {"wealth": {"riskTierRules": {"urgent": []}}}}"#);
    repository.commit();
    let broken = ["--policy", POLICY, "--product", "wealth", "--base", "HEAD", "--head", "HEAD"];
    check(&broken, 1, "/products/wealth/riskTierRules/urgent");
}
