//! The evidence of a commit's flows, as the CI of a product captures it: the product's own specs in a real browser, in the
//! sandbox beside its services; and the way of it to the server, which verifies it.
//!
//! The sandbox reaches no network, so it leaves what the package's `browser-evidence pack` writes, and this process sends
//! that: the code of the commit never sees the key.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use backon::{ConstantBuilder, Retryable as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::own_tests::end;
use crate::{
    core::{
        product_file::{self, Build, ProductFile},
        sha::Sha,
    },
    workspace::{Prepared, Recipe, Reported, Sandbox, TestRun, Worktree},
};

/// The check of the capture; what it captured is verified elsewhere, and `Browser Evidence` is the check of that.
pub(super) const CHECK: &str = "capture-evidence";
macro_rules! package {
    ($($path:literal)*) => {
        &[$((
            concat!("tools/browser-evidence/", $path),
            include_bytes!(concat!("../../deploy/npm/browser-evidence/", $path)).as_slice(),
        )),*]
    };
}

/// The package `@aspora/browser-evidence` as a product brings it along, so that nothing has to be published: path and content.
pub(super) const BROWSER_EVIDENCE: &[(&str, &[u8])] = package!(
    "bin/browser-evidence.js"
    "index.d.ts"
    "index.js"
    "lib/folder.js"
    "lib/head.js"
    "lib/manifest.js"
    "lib/pictures.js"
    "lib/watch.js"
    "package.json");

/// Where the specs of a product's flows are, and what installs their browser's driver.
const SPECS: &str = "tests/browser/";
const MANIFEST: &str = "package.json";
const INSTALL: &str = "npm ci --no-audit --no-fund";
/// What the run leaves.
const PACKED: &str = "evidence.json";
/// Browsers by the names of their programs; those in `/usr` are in the sandbox too.
const BROWSERS: [&str; 4] = [
    "/usr/lib/chromium/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome-stable",
    "/usr/bin/google-chrome",
];
/// How long it is tried to send: the server may not know the head yet, since the push that began the capture is what tells it.
const SENDING: ConstantBuilder = ConstantBuilder::new().with_delay(Duration::from_secs(1)).with_max_times(30);

/// Where evidence is sent, once the server is known, as a repository's CI has it as a secret.
#[derive(Clone, Default)]
pub struct EvidenceInbox(Arc<OnceLock<Server>>);

struct Server {
    url: String,
    key: SecretString,
}

/// What the server said of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Judged {
    /// `success` or `failure`.
    pub(super) conclusion: String,
    flows: Vec<JudgedFlow>,
    #[serde(default)]
    missing: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct JudgedFlow {
    flow: String,
    verified: bool,
    faults: Vec<String>,
}

/// What a capture left.
pub(super) struct Captured {
    /// The run of the specs.
    pub(super) run: TestRun,
    /// The body of the request that sends it, but for the repository; or why there is none.
    pub(super) packed: Result<Map<String, Value>, String>,
}

impl EvidenceInbox {
    /// Sends to this server with this key, from now on. Only the first call counts.
    pub fn open(&self, url: String, key: SecretString) {
        let _ = self.0.set(Server { url, key });
    }

    /// Sends what was captured of a commit; returns what the server said.
    ///
    /// # Errors
    /// A sentence when there is no server, or it did not take the evidence.
    pub(super) async fn send(&self, repository: &str, packed: Map<String, Value>) -> Result<Judged, String> {
        let server = self.0.get().ok_or("it was not sent: no server is known here")?;
        let body = Value::from_iter(packed.into_iter().chain([("repository".to_owned(), json!(repository))]));
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
        let attempt = || server.take(&client, &body);
        let sent = attempt.retry(SENDING).when(|refused: &Refused| refused.may_pass).await;
        sent.map_err(|refused| format!("the server did not take it: {}", refused.reason))
    }
}

struct Refused {
    reason: String,
    /// Whether it may be taken later.
    may_pass: bool,
}

impl Server {
    async fn take(&self, client: &reqwest::Client, body: &Value) -> Result<Judged, Refused> {
        let unreachable = |error: reqwest::Error| Refused { reason: error.to_string(), may_pass: true };
        let request =
            client.post(format!("{}/api/v1/evidence", self.url)).bearer_auth(self.key.expose_secret());
        let answer = request.json(body).send().await.map_err(unreachable)?;
        let status = answer.status();
        if status.is_success() {
            return answer.json().await.map_err(unreachable);
        }
        let text = answer.text().await.map_err(unreachable)?;
        let may_pass = matches!(status.as_u16(), 404 | 409 | 429) || status.is_server_error();
        Err(Refused { reason: format!("{status}: {text}"), may_pass })
    }
}

impl Judged {
    /// A line for each flow, as Markdown.
    pub(super) fn lines(&self) -> String {
        let flow = |it: &JudgedFlow| match it.verified {
            true => format!("- `{}`: verified", it.flow),
            false => format!("- `{}`: {}", it.flow, it.faults.join("; ")),
        };
        let missing = self.missing.iter().map(|flow| format!("- `{flow}`: no evidence"));
        self.flows.iter().map(flow).chain(missing).collect::<Vec<_>>().join("\n")
    }
}

/// Whether a repository with these files has flows to capture.
pub(super) fn is_captured(paths: &[String]) -> bool {
    let is_spec = |path: &String| path.starts_with(SPECS) && path.contains(".spec.");
    paths.iter().any(|path| path == MANIFEST) && paths.iter().any(is_spec)
}

/// Runs the specs of a commit's flows. The checkout is that of the commit.
///
/// # Errors
/// A sentence when this machine cannot, because it has no browser for example, or set-up failed.
pub(super) async fn capture(
    sha: &Sha,
    sandbox: &Sandbox,
    (worktree, paths): (&Worktree, &[String]),
) -> Result<Captured, String> {
    let browser = BROWSERS.into_iter().find(|path| Path::new(path).exists());
    let browser = browser.ok_or(
        "there is no browser on this machine. Install Chromium from its packages, such as Debian's `chromium`",
    )?;
    let (tree, build) = (worktree.path(), build(worktree.path()).await?);
    let git_folder = match build.history {
        true => Some(worktree.git_folder().await.map_err(|error| error.to_string())?),
        false => None,
    };
    let recipe = Recipe::of(&build, paths.iter().map(String::as_str)).with_git_folder(git_folder.as_ref());
    let layer = match sandbox.prepare(tree, &recipe).await.map_err(|error| error.to_string())? {
        Prepared::Ready(layer) => layer,
        Prepared::Failed(run) => return Err(format!("set-up failed:\n\n{}", end(&run.output))),
    };
    // What was captured of a run that fails counts too: it says what failed.
    let line = format!(
        "export HEAD_SHA={sha} CHROMIUM={browser}\ncode=0; npm run --silent test:browser:evidence || code=$?\n\
         node node_modules/@aspora/browser-evidence/bin/browser-evidence.js pack {PACKED} || code=$?\nexit $code"
    );
    let lines = [line];
    let reported = sandbox.report(tree, &recipe, layer.as_ref(), (&lines, PACKED)).await;
    let Reported { run, report } = reported.map_err(|error| error.to_string())?;
    let packed = report.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    Ok(Captured { run, packed })
}

/// How the product is built, and its browser's driver with it.
async fn build(tree: &Path) -> Result<Build, String> {
    let mut build = match tokio::fs::read_to_string(tree.join(product_file::PATH)).await {
        Ok(text) => {
            let file = ProductFile::parse(&text).map_err(|error| error.to_string())?;
            let whole = file.builds().find(|(_, build)| build.root.is_empty());
            whole.map_or_else(Build::default, |(_, build)| build.clone())
        }
        Err(_) => Build::default(),
    };
    if !build.setup.iter().any(|line| line.starts_with("npm ci")) {
        build.setup.push(INSTALL.to_owned());
    }
    Ok(build)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|&path| path.to_owned()).collect()
    }

    #[test]
    fn a_product_with_specs_of_its_flows_is_captured() {
        assert!(is_captured(&paths(&["package.json", "tests/browser/goals.spec.ts"])));
        assert!(!is_captured(&paths(&["tests/browser/goals.spec.ts"])), "nothing installs the driver");
        assert!(!is_captured(&paths(&["package.json", "tests/browser/shared.ts", "tests/goals.spec.ts"])));
    }

    #[tokio::test]
    async fn evidence_without_a_server_is_not_sent_and_that_is_said() {
        let refused = EvidenceInbox::default().send("acme/shop", Map::new()).await.unwrap_err();
        assert_eq!(refused, "it was not sent: no server is known here");
    }

    #[test]
    fn what_the_server_said_is_a_line_for_each_flow() {
        let judged: Judged = serde_json::from_value(json!({
            "conclusion": "failure",
            "flows": [{"flow": "goals", "verified": true, "faults": []},
                      {"flow": "trade", "verified": false, "faults": ["it is old", "it has no screenshot"]}],
            "missing": ["portfolio"],
        }))
        .unwrap();
        assert_eq!(
            judged.lines(),
            "- `goals`: verified\n- `trade`: it is old; it has no screenshot\n- `portfolio`: no evidence"
        );
    }
}
