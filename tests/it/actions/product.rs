//! A product of `aspora product init` at the twin, whose workflows run by themselves.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, sync::Arc};

use aspora::dev::{
    github::{CI_APP, CheckRun},
    templates::{Template, new_product},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    machine::{Machine, REPO, Site},
    registry::Registry,
    reviewer::{Answer, Reviewer},
    service::{Actions, Done},
};

/// What the commands of a product do here: each fails while a file of its name in `red/` holds something. Their programs,
/// and what they download, take minutes; `./run templates` runs those.
const COMMANDS: [&str; 5] = ["lint", "test", "harness", "harness:integration", "security-scan"];
/// In place of the set-up, which installs what the commands need.
const SETUP: &str = "name: Set up\ndescription: Nothing\nruns:\n  using: composite\n  steps:\n    - shell: bash\n      run: echo nothing to install\n";
const LOCK: &str = r#"{"lockfileVersion": 3, "requires": true, "packages": {"": {}}}"#;
/// Playwright's browser, which nothing here needs.
const NPX: &str = "#!/bin/sh\ntest \"$*\" = 'playwright install --with-deps chromium'\n";
/// The gate looks every 20 seconds; nobody waits so long here.
const SLEEP: &str = "#!/bin/sh\nexec /bin/sleep 0.5\n";

/// The product, its forge, its reviewer, and the service that runs its workflows.
pub(crate) struct Product {
    pub(crate) actions: Arc<Actions>,
    pub(crate) reviewer: Reviewer,
    _registry: Registry,
    programs: TempDir,
}

impl Product {
    /// A product of the FastAPI template whose commands are quick, and a reviewer that finds nothing.
    pub(crate) async fn quick() -> Self {
        Self::reviewed_as(vec![Answer(200, &[("content-type", "application/json")], "[]".to_owned())]).await
    }

    /// The same with a reviewer that answers like this.
    pub(crate) async fn reviewed_as(answers: Vec<Answer>) -> Self {
        let mut files = files(Template::FastApi);
        let script =
            |name: &&str| ((*name).to_owned(), json!(format!("test ! -s red/{}", name.replace(':', "-"))));
        let mut scripts: serde_json::Map<String, Value> = COMMANDS.iter().map(script).collect();
        scripts.insert("test:browser:evidence".to_owned(), json!("node browser.mjs"));
        let package = json!({"private": true, "scripts": scripts}).to_string();
        for (path, content) in &mut files {
            match path.as_str() {
                "package.json" => *content = package.clone().into_bytes(),
                "package-lock.json" => *content = LOCK.as_bytes().to_vec(),
                ".github/actions/setup/action.yml" => *content = SETUP.as_bytes().to_vec(),
                _ => {}
            }
        }
        let it = Self::of(&files, answers).await;
        it.program("npx", NPX);
        it
    }

    async fn of(files: &[(String, Vec<u8>)], answers: Vec<Answer>) -> Self {
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        let (registry, site) = (Registry::start().await, Site::with(&files).await);
        let reviewer = Reviewer::start(answers).await;
        let programs = tempfile::tempdir().unwrap();
        let mut machine =
            Machine::with_registry(&registry.url).with_secret("ASPORA_API_KEY", "the-key-of-ci");
        machine.vars.insert("ASPORA_URL".to_owned(), reviewer.url.trim_end_matches("/api/v1").to_owned());
        let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
        machine.variables.insert("PATH".to_owned(), path);
        let actions = Actions::new(site, machine).await;
        let it = Self { actions, reviewer, _registry: registry, programs };
        it.program("sleep", SLEEP);
        it
    }

    /// Puts a program before those of the machine.
    pub(crate) fn program(&self, name: &str, text: &str) {
        let file = self.programs.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    }

    /// A person pushes to a branch; the new head.
    pub(crate) async fn push(&self, branch: &str, files: &[(&str, &[u8])]) -> String {
        self.actions.site.twin.push_as("noor", REPO, branch, files).await.unwrap()
    }

    /// A person opens a pull request with these files; its head, and what its workflows came to.
    pub(crate) async fn pull(&self, branch: &str, files: &[(&str, &[u8])]) -> (String, Vec<Done>) {
        let head = self.push(branch, files).await;
        self.actions.site.twin.open_pull_as("noor", REPO, branch, branch).await.unwrap();
        (head, self.actions.settle().await)
    }

    /// The check runs of a commit, by GitHub Actions, in the order in which they were queued.
    pub(crate) fn checks(&self, head: &str) -> Vec<CheckRun> {
        let all = self.actions.site.twin.check_runs(REPO);
        all.into_iter().filter(|run| run.head_sha == head && run.app == CI_APP).collect()
    }

    /// How the check of this name ended on a commit, the newest by number.
    pub(crate) fn conclusion(&self, head: &str, name: &str) -> Option<String> {
        self.checks(head).iter().rfind(|run| run.name == name)?.conclusion.clone()
    }

    #[track_caller]
    pub(crate) fn assert_checks(&self, head: &str, expected: &[(&str, &str)]) {
        for (name, conclusion) in expected {
            let (found, all) = (self.conclusion(head, name), self.checks(head));
            assert_eq!(found.as_deref(), Some(*conclusion), "{name}: {}", shown(&all));
        }
    }
}

/// What check runs say, for the message of a failure.
fn shown(runs: &[CheckRun]) -> String {
    let one = |run: &CheckRun| {
        let log = run.log.as_deref().unwrap_or_default();
        format!("{}: {} {:?}\n{log}", run.name, run.status, run.conclusion)
    };
    runs.iter().map(one).collect::<Vec<_>>().join("\n---\n")
}

fn files(template: Template) -> Vec<(String, Vec<u8>)> {
    let files = new_product(&"shop".parse().unwrap(), template);
    files.into_iter().map(|file| (file.path.to_owned(), file.content)).collect()
}
