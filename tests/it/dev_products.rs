//! `aspora dev --product`: a repository of this machine, from its folder through a requirement to the branches that come
//! back; as a process, with the command line as its client.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use aspora::dev::product::wealth;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command as Process},
};

/// A folder for the data of `aspora dev`, one with a repository, and what is running.
struct Machine {
    data: tempfile::TempDir,
    repository: tempfile::TempDir,
}

/// `aspora dev`, until it is dropped.
struct Running {
    _child: Child,
    server: String,
    key: String,
    printed: String,
}

impl Machine {
    /// A repository with the files of the embedded product and no policy, whose branch is `trunk`.
    fn new() -> Self {
        // Below the temporary directory, which the account that Postgres runs under can enter.
        let (data, repository) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let it = Self { data, repository };
        for (path, bytes) in wealth() {
            if !path.starts_with(".aspora/") {
                write(it.repository.path(), path, bytes);
            }
        }
        it.git(&["init", "--quiet", "-b", "trunk"]);
        it.commit("first");
        it
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(self.repository.path(), arguments)
    }

    fn commit(&self, subject: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", subject]);
    }

    fn dev(&self, arguments: &[&str]) -> Process {
        let mut command = Process::new(env!("CARGO_BIN_EXE_aspora"));
        command.arg("dev").args(["--port", "0", "--data"]).arg(self.data.path().join("dev")).args(arguments);
        for variable in ["DATABASE_URL", "OPENAI_API_KEY", "GITHUB_TOKEN", "GITHUB_APP_ID", "ASPORA_LISTEN"] {
            command.env_remove(variable);
        }
        command.env("ASPORA_DATA", self.data.path().join("home")).env("RUST_LOG", "error").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    fn product(&self) -> String {
        format!("shop={}", self.repository.path().display())
    }

    async fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.dev(arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut printed = String::new();
        while !printed.contains("\nTry: ") {
            let line =
                tokio::time::timeout(Duration::from_secs(120), lines.next_line()).await.unwrap().unwrap();
            printed.push_str(&line.unwrap_or_else(|| panic!("it ended after: {printed}")));
            printed.push('\n');
        }
        let server = printed.split("Aspora runs on ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        let key = std::fs::read_to_string(self.data.path().join("dev/key")).unwrap().trim().to_owned();
        Running { _child: child, server, key, printed }
    }
}

impl Running {
    /// The output of a client command.
    async fn aspora(&self, arguments: &[&str]) -> String {
        let mut command = Process::new(env!("CARGO_BIN_EXE_aspora"));
        command.args(arguments).env("ASPORA_SERVER", &self.server).env("ASPORA_API_KEY", &self.key);
        let output = command.stdin(Stdio::null()).output().await.unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}");
        text
    }

    /// Ends it as Ctrl-C does.
    async fn stop(mut self) {
        let pid = self._child.id().unwrap().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        self._child.wait().await.unwrap();
    }
}

fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let path: PathBuf = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let me = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "credential.helper="];
    let mut command = Command::new("git");
    command.current_dir(folder).args(me).args(arguments).env("GIT_TERMINAL_PROMPT", "0");
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

const REQUIREMENT: [&str; 9] = [
    "requirement",
    "submit",
    "--product",
    "shop",
    "--title",
    "Portfolio risk checker",
    "--body",
    "We need a portfolio risk checker for Wealth product",
    "--watch",
];

#[tokio::test]
async fn a_repository_on_trunk_without_a_policy_goes_to_the_merge_and_its_results_come_back() {
    let machine = Machine::new();
    let product = machine.product();
    let running = machine.start(&["--product", &product, "--starter-policy"]).await;
    assert!(running.printed.contains("on `trunk`, at http://127.0.0.1:"), "{}", running.printed);
    assert!(running.printed.contains("a starter policy was committed"), "{}", running.printed);

    // What people are shown works as it is, and pushes too.
    let line =
        running.printed.lines().find_map(|line| line.trim().strip_prefix("clone: git clone ")).unwrap();
    let clone = tempfile::tempdir().unwrap();
    git(clone.path(), &["clone", "--quiet", line, "."]);
    assert_eq!(git(clone.path(), &["branch", "--show-current"]), "trunk");

    let watched = running.aspora(&REQUIREMENT).await;
    assert!(watched.contains("merged"), "{watched}");
    let before = machine.git(&["rev-parse", "trunk"]);
    let merged = "aspora/merged/trunk";
    let came = || {
        let there = machine.git(&["branch", "--list", merged, "--format=%(refname:short)"]) == merged;
        there && machine.git(&["ls-tree", "-r", "--name-only", merged]).contains("services/risk_checker.py")
    };
    let mut waits = 0;
    while !came() {
        waits += 1;
        assert!(waits < 100, "the merge did not come back: {}", machine.git(&["branch", "--list"]));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(machine.git(&["branch", "--list", "aspora/*"]).lines().count() >= 2, "our branch came back too");
    assert_eq!(machine.git(&["status", "--porcelain"]), "", "the work tree is as it was");
    assert_eq!(machine.git(&["rev-parse", "trunk"]), before, "and so is the branch that is checked out");

    // What people set is kept by a restart, which takes over what they committed.
    running
        .aspora(&[
            "product",
            "put",
            "shop",
            "local/shop",
            "--base-branch",
            "trunk",
            "--backlog",
            "7",
            "--",
            "true",
        ])
        .await;
    running.stop().await;
    machine.git(&["merge", "--quiet", "--ff-only", merged]);
    write(machine.repository.path(), "notes.md", b"more\n");
    machine.commit("more");
    let running = machine.start(&["--product", &product]).await;
    let shown = running.aspora(&["-o", "json", "product", "show", "shop"]).await;
    assert!(shown.contains("\"backlog\": 7") || shown.contains("\"backlog\":7"), "{shown}");
    let line =
        running.printed.lines().find_map(|line| line.trim().strip_prefix("clone: git clone ")).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    git(fresh.path(), &["clone", "--quiet", line, "."]);
    assert_eq!(git(fresh.path(), &["rev-parse", "HEAD"]), machine.git(&["rev-parse", "trunk"]));
    running.stop().await;
}

#[tokio::test]
async fn without_a_policy_the_way_out_is_said_and_another_folder_under_the_same_name_is_refused() {
    let machine = Machine::new();
    let running = machine.start(&["--product", &machine.product()]).await;
    assert!(running.printed.contains("needs 2 approvals by people"), "{}", running.printed);
    assert!(running.printed.contains("or start with --starter-policy"), "{}", running.printed);
    running.stop().await;
    let other = Machine::new();
    let output = machine.dev(&["--product", &other.product()]).stderr(Stdio::piped()).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("give") && text.contains("another name"), "{text}");
    assert_eq!(output.status.code(), Some(1), "{text}");
}

#[tokio::test]
async fn a_fixed_port_of_the_twin_is_used_and_one_that_is_taken_is_named() {
    let machine = Machine::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = machine.dev(&["--forge-port", &port]);
    let output = command.stderr(Stdio::piped()).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("choose another with --forge-port"), "{text}");
    drop(taken);
    let running = machine.start(&["--forge-port", &port]).await;
    assert!(running.printed.contains(&format!("http://127.0.0.1:{port}/login")), "{}", running.printed);
    running.stop().await;
}
