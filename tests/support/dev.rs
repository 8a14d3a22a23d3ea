//! `aspora dev` as a process, with a repository of this machine as its product and the command line as its client.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command as Process},
};

/// A folder for the data of `aspora dev`, and one with a repository.
pub(crate) struct Machine {
    pub(crate) data: tempfile::TempDir,
    pub(crate) repository: tempfile::TempDir,
    /// Variables of `aspora dev`, beside those of this process.
    pub(crate) variables: Vec<(String, String)>,
}

/// `aspora dev`, until it is dropped.
pub(crate) struct Running {
    child: Child,
    server: String,
    key: String,
    /// What it printed at its start.
    pub(crate) printed: String,
}

impl Machine {
    /// A repository without a commit, at this branch.
    pub(crate) fn new(branch: &str) -> Self {
        // Below the temporary directory, which the account that Postgres runs under can enter.
        let (data, repository) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let it = Self { data, repository, variables: Vec::new() };
        it.git(&["init", "--quiet", "-b", branch]);
        it
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(self.repository.path(), arguments)
    }

    pub(crate) fn commit(&self, subject: &str) {
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", subject]);
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        write(self.repository.path(), path, bytes);
    }

    /// The command `aspora dev` with these arguments.
    pub(crate) fn dev(&self, arguments: &[&str]) -> Process {
        let mut command = Process::new(env!("CARGO_BIN_EXE_aspora"));
        command.arg("dev").args(["--port", "0", "--data"]).arg(self.data.path().join("dev")).args(arguments);
        for variable in ["DATABASE_URL", "OPENAI_API_KEY", "GITHUB_TOKEN", "GITHUB_APP_ID", "ASPORA_LISTEN"] {
            command.env_remove(variable);
        }
        command.env("ASPORA_DATA", self.data.path().join("home")).env("RUST_LOG", "error").kill_on_drop(true);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    pub(crate) fn product(&self, name: &str) -> String {
        format!("{name}={}", self.repository.path().display())
    }

    pub(crate) async fn start(&self, arguments: &[&str]) -> Running {
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
        Running { child, server, key, printed }
    }
}

impl Running {
    /// The output of a client command, which succeeds.
    pub(crate) async fn aspora(&self, arguments: &[&str]) -> String {
        let (succeeded, text) = self.tries(arguments).await;
        assert!(succeeded, "{arguments:?}: {text}");
        text
    }

    /// Whether a client command succeeds, and its output.
    pub(crate) async fn tries(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Process::new(env!("CARGO_BIN_EXE_aspora"));
        command.args(arguments).env("ASPORA_SERVER", &self.server).env("ASPORA_API_KEY", &self.key);
        let output = command.stdin(Stdio::null()).output().await.unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), text)
    }

    /// Ends it as Ctrl-C does.
    pub(crate) async fn stop(mut self) {
        let pid = self.child.id().unwrap().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        self.child.wait().await.unwrap();
    }
}

fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let path: PathBuf = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// What git prints in a folder; it must succeed.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let me = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "credential.helper="];
    let mut command = Command::new("git");
    command.current_dir(folder).args(me).args(arguments).env("GIT_TERMINAL_PROMPT", "0");
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
