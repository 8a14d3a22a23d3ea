//! A repository on the twin, and a machine on which workflows run (`tests/runner`).

use std::{collections::BTreeMap, path::PathBuf, process::Stdio, sync::Arc};

use aspora::dev::github::{Level, Permissions, TokenKind, Twin, TwinConfig};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::registry::root;
use crate::support::{npm, openapi::SpecChecker};

/// The repository of the pull request.
pub(crate) const REPO: &str = "acme/wealth-product";
/// A commit of this code, as workflows pin it.
pub(crate) const PIN: &str = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";
/// The pinned step that clones the repository.
pub(crate) const CHECKOUT: &str = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1";
/// The policy of the seed.
pub(crate) const POLICY: &str = include_str!("../../../src/dev/product/wealth/.aspora/risk-policy.json");

/// A twin with a product whose policy is the seed's.
pub(crate) struct Site {
    pub(crate) twin: Arc<Twin>,
    spec: Arc<SpecChecker>,
    data: TempDir,
}

/// A pull request, and what an event says of it.
pub(crate) struct Pull {
    pub(crate) number: i64,
    pub(crate) base: String,
    pub(crate) head: String,
    pub(crate) event: Value,
}

impl Site {
    pub(crate) async fn new(files: &[(&str, &[u8])]) -> Self {
        let policy = [(".aspora/risk-policy.json", POLICY.as_bytes())];
        Self::with(&[&policy[..], files].concat()).await
    }

    /// A twin with a repository of these files alone.
    pub(crate) async fn with(files: &[(&str, &[u8])]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let config = TwinConfig {
            data_dir: data.path().to_owned(),
            addr: ([127, 0, 0, 1], 0).into(),
            public_url: None,
            webhook: None,
            ci: None,
        };
        let twin = Arc::new(Twin::start(config).await.unwrap());
        let spec = SpecChecker::new().unwrap();
        twin.observe(spec.observer());
        twin.create_repository(REPO, files).await.unwrap();
        Self { twin, spec, data }
    }

    /// Opens a pull request with these files on a branch.
    pub(crate) async fn pull(&self, branch: &str, title: &str, files: &[(&str, &[u8])]) -> Pull {
        let head = self.twin.push_as("noor", REPO, branch, files).await.unwrap();
        let pull = json!({"title": title, "head": branch, "base": "main", "body": title});
        let opened = self.ask(Method::POST, "pulls", Some(pull)).await;
        let number = opened["number"].as_i64().unwrap();
        let event = json!({"action": "opened", "number": number, "pull_request": opened});
        let base = opened["base"]["sha"].as_str().unwrap().to_owned();
        Pull { number, base, head, event }
    }

    /// A file at a commit, or the names in a folder of it; empty where there is none.
    pub(crate) async fn show(&self, commit: &str, path: &str) -> String {
        let folder = self.data.path().join(format!("repositories/{REPO}.git"));
        let mut git = Command::new("git");
        git.arg("--git-dir").arg(folder).args(["show", &format!("{commit}:{path}")]);
        String::from_utf8(git.output().await.unwrap().stdout).unwrap()
    }

    /// Asks the twin as a job that may do everything.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/repos/{REPO}/{path}", self.twin.url());
        let request = reqwest::Client::new().request(method, url).bearer_auth(token(&self.twin, REPO, None));
        let request = body.iter().fold(request, |request, body| request.json(body));
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// What a workflow knows when this pull request starts it.
    pub(crate) fn github(&self, pull: &Pull) -> Value {
        github(&self.twin.url(), REPO, &pull.head, &pull.event)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.spec.finish(&[]);
    }
}

/// The context `github` of a run for a pull request.
pub(crate) fn github(url: &str, repository: &str, head: &str, event: &Value) -> Value {
    let pull = &event["pull_request"];
    json!({
        "event_name": "pull_request", "event": event, "repository": repository, "sha": head, "actor": "noor",
        "ref": format!("refs/pull/{}/merge", event["number"]), "run_id": "1",
        "head_ref": pull["head"]["ref"], "base_ref": pull["base"]["ref"], "api_url": url, "server_url": url,
    })
}

/// The token of a job with these permissions, named as in a workflow.
pub(crate) fn token(twin: &Twin, repository: &str, permissions: Option<&str>) -> String {
    let permissions = permissions.map(|list| -> Permissions {
        let pairs = list.split(',').filter_map(|pair| pair.split_once('='));
        let level = |level| if level == "write" { Level::Write } else { Level::Read };
        pairs.map(|(name, held)| (name.replace('-', "_"), level(held))).collect()
    });
    twin.issue_token(TokenKind::Actions { repository: repository.to_owned(), permissions }).unwrap()
}

/// A machine that runs one workflow.
#[derive(Default, Clone)]
pub(crate) struct Machine {
    /// Variables of the machine itself.
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) secrets: BTreeMap<String, String>,
    /// Variables of the repository.
    pub(crate) vars: BTreeMap<String, String>,
    /// The token of a job, by its permissions.
    pub(crate) tokens: BTreeMap<String, String>,
    /// How long a step may run, if not the runner's minute.
    pub(crate) limit_ms: Option<u64>,
}

/// What became of a workflow, and the folders that its jobs left behind.
pub(crate) struct Ran {
    pub(crate) said: Value,
    pub(crate) folder: TempDir,
}

impl Machine {
    /// One whose jobs may do nothing at the forge.
    pub(crate) fn without_permissions() -> Self {
        let tokens = [(String::new(), "no-permissions".to_owned())];
        Self { tokens: tokens.into(), ..Self::default() }
    }

    /// One whose npm asks this registry.
    pub(crate) fn with_registry(url: &str) -> Self {
        let variables = [("npm_config_registry", url), ("npm_config_update_notifier", "false")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { variables: variables.into(), ..Self::default() }
    }

    /// With tokens for jobs that have these permissions.
    pub(crate) fn with_tokens(mut self, twin: &Twin, repository: &str, permissions: &[&str]) -> Self {
        for list in permissions {
            self.tokens.insert((*list).to_owned(), token(twin, repository, Some(list)));
        }
        self
    }

    /// With a secret of the repository.
    pub(crate) fn with_secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Runs a workflow: a file, or a text.
    pub(crate) async fn run(&self, workflow: Value, github: &Value) -> Ran {
        let mut running = self.start(&workflow, github, None).await;
        loop {
            if let Progress::End(ran) = running.next(&json!({})).await {
                return ran;
            }
        }
    }

    /// Starts a workflow. `changed` are the paths of the change, which filters by path need.
    pub(crate) async fn start(
        &self,
        workflow: &Value,
        github: &Value,
        changed: Option<&[String]>,
    ) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let modules = tokio::task::spawn_blocking(modules).await.unwrap();
        let asked = json!({
            "workflow": workflow, "github": github, "temp": folder.path(), "tokens": self.tokens,
            "actions": {"aspora/aspora": root()}, "machine": self.variables, "secrets": self.secrets,
            "vars": self.vars, "limit": self.limit_ms, "changed": changed,
        });
        let mut node = Command::new("node");
        node.arg(root().join("tests/runner/runner.mjs")).env("RUNNER_MODULES", modules);
        node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = node.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (stdin, folder) = (process.stdin.take().unwrap(), Some(folder));
        let mut running = Running { process, stdin, lines, folder, owes_answer: false };
        running.send(&asked).await;
        running
    }

    /// Runs a job of one workflow with these steps.
    pub(crate) async fn job(&self, steps: Value, permissions: &Value, github: &Value) -> Ran {
        let job = json!({"runs-on": "ubuntu-24.04", "permissions": permissions, "steps": steps});
        // JSON is YAML too.
        let text = json!({"on": "pull_request", "jobs": {"job": job}}).to_string();
        self.run(json!({"text": text}), github).await
    }
}

/// A workflow that runs.
pub(crate) struct Running {
    process: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    folder: Option<TempDir>,
    /// Whether it waits for an answer to what it said.
    owes_answer: bool,
}

/// What a running workflow says.
pub(crate) enum Progress {
    /// It began, or a job of it was queued, taken or completed.
    Event(Value),
    End(Ran),
}

impl Running {
    /// Answers what it said before, and waits for what it says next.
    pub(crate) async fn next(&mut self, answer: &Value) -> Progress {
        if self.owes_answer {
            self.send(answer).await;
        }
        let Some(line) = self.lines.next_line().await.unwrap() else {
            let mut error = String::new();
            self.process.stderr.take().unwrap().read_to_string(&mut error).await.unwrap();
            panic!("{error}");
        };
        let mut event: Value = serde_json::from_str(&line).unwrap();
        self.owes_answer = true;
        match event.get_mut("ran") {
            Some(said) => Progress::End(Ran { said: said.take(), folder: self.folder.take().unwrap() }),
            None => Progress::Event(event),
        }
    }

    /// The number of its process, which SIGTERM cancels.
    pub(crate) fn process(&self) -> u32 {
        self.process.id().unwrap()
    }

    async fn send(&mut self, line: &Value) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
}

impl Ran {
    /// A step of the job, by its id.
    pub(crate) fn step(&self, job: &str, id: &str) -> &Value {
        let steps = self.said["jobs"][job]["steps"].as_array().unwrap();
        steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("{:#}", self.said))
    }

    /// How a step ended, and an output of it.
    pub(crate) fn ended(&self, id: &str, output: &str) -> (String, String) {
        let step = self.step("job", id);
        let text = |value: &Value| value.as_str().unwrap_or("<none>").to_owned();
        (text(&step["outcome"]), text(&step["outputs"][output]))
    }

    /// All messages of annotations of a step.
    pub(crate) fn annotations(&self, id: &str) -> Vec<String> {
        let annotations = self.step("job", id)["annotations"].as_array().unwrap();
        annotations.iter().map(|it| it["message"].as_str().unwrap().to_owned()).collect()
    }
}

/// The folder of GitHub's own packages.
fn modules() -> PathBuf {
    let file = npm::file("actions", "@actions/workflow-parser", "dist/index.js").unwrap();
    file.ancestors().nth(4).unwrap().to_owned()
}
