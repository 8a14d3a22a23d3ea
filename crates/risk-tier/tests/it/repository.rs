//! A repository that is asked about.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

/// The seed's policy.
pub(crate) const SEED: &str = include_str!("../../../../src/dev/product/wealth/.aspora/risk-policy.json");
/// Where the policy is.
pub(crate) const POLICY: &str = ".aspora/risk-policy.json";

/// A repository whose first commit holds the seed's policy and a critical file.
pub(crate) struct Repository(pub(crate) TempDir);

impl Repository {
    pub(crate) fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "-q", "-b", "main"]);
        repository.write(POLICY, SEED);
        repository.write("services/broker_gateway.py", "one\ntwo\nthree\nfour\n");
        repository.commit();
        repository
    }

    /// How many objects the repository has.
    pub(crate) fn objects(&self) -> Vec<u8> {
        let count = ["count-objects", "-v"];
        Command::new("git").arg("-C").arg(self.path()).args(count).output().unwrap().stdout
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "c"]);
    }

    pub(crate) fn git(&self, arguments: &[&str]) {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let mut git = Command::new("git");
        let done = git.arg("-C").arg(self.path()).args(identity).args(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    /// The tier of `head` against `base`, which may have any history.
    pub(crate) fn tier_of(&self, base: &str, head: &str) -> String {
        let ask = ["--policy", POLICY, "--product", "wealth", "--base", base, "--head", head, "--explain"];
        let output = self.risk_tier(&ask);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned() + "\n" + &said
    }

    /// Asks with this policy and checks the exit code and what is said.
    #[track_caller]
    pub(crate) fn refuses(&self, policy: &str, code: i32, word: &str) {
        let ask = ["--policy", policy, "--product", "wealth", "--base", "HEAD~1", "--head", "HEAD"];
        let output = self.risk_tier(&ask);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]), "{said}");
        assert!(said.contains(word), "{said}");
    }

    pub(crate) fn risk_tier(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aspora-risk-tier"));
        command.arg("--repo").arg(self.path()).args(arguments).output().unwrap()
    }

    /// The whole answer about the last commit.
    pub(crate) fn json(&self) -> serde_json::Value {
        let ask = ["--policy", POLICY, "--product", "wealth", "--base", "HEAD~1", "--head", "HEAD"];
        let output = self.risk_tier(&[&ask[..], &["--format", "json"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the last commit is, as the seed's CI asks.
    pub(crate) fn tier(&self) -> String {
        let ask = ["--policy", POLICY, "--product", "wealth", "--base", "HEAD~1", "--head", "HEAD"];
        let output = self.risk_tier(&ask);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}
