//! The CI stand-in: runs the tests of a product in the sandbox, and returns the results of its checks.

use std::{path::PathBuf, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};
use serde::Deserialize;
use serde_json::Value;

use super::{
    own_tests::{OwnTests, Which, is_case as is_own_case},
    scan,
};
use crate::{
    core::{product_file, sha::Sha, words::counted},
    workspace::{Limits, Mirror, Sandbox, TestRun, Unavailable, Worktree},
};

const EVIDENCE_DRIVER: &str = include_str!("evidence.py");
/// How many bytes of a log a check run shows, from its end.
const LONGEST_LOG: usize = 60_000;

/// The result of one check.
#[derive(Debug, Clone)]
pub struct CheckResult {
    /// The name of the check, such as `CI Pipeline`.
    pub name: String,
    /// As GitHub names it: `success`, `failure`, `timed_out`, `neutral`, …
    pub conclusion: String,
    /// One line for people.
    pub title: String,
    /// Markdown for people.
    pub summary: String,
    /// Details, such as the tail of the log or the evidence manifest.
    pub text: Option<String>,
}

/// One commit to check.
#[derive(Debug, Clone)]
pub struct CiJob {
    /// The bare repository on this machine.
    pub repository: PathBuf,
    /// The commit.
    pub sha: Sha,
    /// The files that it has and its base has not, or has otherwise.
    pub changed: Vec<String>,
    /// The checks to run, in order.
    pub checks: Vec<String>,
}

/// A CI: the names of its checks, and a function that runs them for one commit.
#[derive(Clone)]
pub struct Ci {
    /// The checks that it reports.
    pub names: Names,
    /// Runs those that the job names.
    pub run: Arc<dyn Fn(CiJob) -> BoxFuture<'static, Vec<CheckResult>> + Send + Sync>,
}

/// The names of the checks that a CI reports, in order.
#[derive(Clone)]
pub enum Names {
    /// The same for every commit.
    Always(Vec<String>),
    /// By the files of the commit and of the default branch.
    ByFiles(fn(&[String]) -> Vec<String>),
}

impl Names {
    /// The names for a commit, where these are its files and those of the default branch.
    #[must_use]
    pub fn of(&self, paths: &[String]) -> Vec<String> {
        match self {
            Self::Always(names) => names.clone(),
            Self::ByFiles(choose) => choose(paths),
        }
    }
}

impl From<Vec<String>> for Names {
    fn from(names: Vec<String>) -> Self {
        Self::Always(names)
    }
}

/// The checks of a product, in the order in which they are run.
const CHECKS: [&str; 5] =
    ["CI Pipeline", "harness-smoke", "Browser Evidence", "harness-integration", "Security Scan"];
/// The modules of unit tests and cases, and those of cases that start the whole service.
const CASES: &str = "test*.py";
const INTEGRATION: &str = "integration*.py";
/// The flows whose behaviour is observed.
const FLOWS: &str = "tests/evidence/flows.json";

/// The checks of a product, run in the sandbox on the commit: all its tests as `CI Pipeline`, its harness as
/// `harness-smoke` and the cases there that start the whole service as `harness-integration`, its flows over HTTP as
/// `Browser Evidence`, which is a stand-in for a browser and says so; and a search of the changed files as
/// `Security Scan`. What a repository does not have is not reported. Without a sandbox every check fails with the reason.
#[must_use]
pub fn product_ci(sandbox: Result<Sandbox, Unavailable>) -> Ci {
    let run = move |job: CiJob| check_all(sandbox.clone(), job).boxed();
    Ci { names: Names::ByFiles(checks_of), run: Arc::new(run) }
}

/// The checks that [`product_ci`] reports for a repository with these files.
#[must_use]
pub fn checks_of(paths: &[String]) -> Vec<String> {
    let says = paths.iter().any(|path| path == product_file::PATH);
    let has = |name: &str| match name {
        "CI Pipeline" if says => true,
        "harness-smoke" if says => paths.iter().any(|path| is_own_case(path, false)),
        "harness-integration" if says => paths.iter().any(|path| is_own_case(path, true)),
        "CI Pipeline" => paths.iter().any(|path| is_case(path, "tests/", "test")),
        "harness-smoke" => paths.iter().any(|path| is_case(path, "tests/harness/", "test")),
        "harness-integration" => paths.iter().any(|path| is_case(path, "tests/harness/", "integration")),
        "Browser Evidence" => paths.iter().any(|path| path == FLOWS),
        _ => true,
    };
    CHECKS.into_iter().filter(|name| has(name)).map(str::to_owned).collect()
}

/// Whether a path is that of a Python module below `folder` whose name begins so.
fn is_case(path: &str, folder: &str, begin: &str) -> bool {
    let name = path.strip_prefix(folder).and_then(|rest| rest.rsplit('/').next());
    name.is_some_and(|name| name.starts_with(begin) && name.ends_with(".py"))
}

async fn check_all(sandbox: Result<Sandbox, Unavailable>, job: CiJob) -> Vec<CheckResult> {
    let sandbox = sandbox.map_err(|unavailable| unavailable.to_string());
    let mirror = Mirror::at(job.repository);
    let worktree = mirror.worktree(&job.sha).await.map_err(|error| format!("no checkout: {error}"));
    let ready = sandbox.and_then(|sandbox| worktree.map(|worktree| (sandbox, worktree)));
    let (sandbox, worktree) = match &ready {
        Ok((sandbox, worktree)) => (sandbox, worktree),
        Err(reason) => return not_run(&job.checks, reason),
    };
    let own = match OwnTests::set_up(sandbox, worktree.path()).await {
        Ok(own) => own,
        Err(reason) => return not_run(&job.checks, &reason),
    };
    let mut results = Vec::new();
    for name in &job.checks {
        results.push(match (name.as_str(), &own) {
            ("Security Scan", _) => scanned(name, &job.changed, worktree).await,
            ("Browser Evidence", own) => evidence(&job.sha, sandbox, worktree, own.as_ref()).await,
            ("harness-smoke", Some(own)) => run_own(name, own, Which::Harness, sandbox).await,
            ("harness-integration", Some(own)) => run_own(name, own, Which::Integration, sandbox).await,
            (_, Some(own)) => run_own(name, own, Which::All, sandbox).await,
            ("harness-smoke", None) => run_tests(name, ("tests/harness", CASES), sandbox, worktree).await,
            ("harness-integration", None) => {
                run_tests(name, ("tests/harness", INTEGRATION), sandbox, worktree).await
            }
            (_, None) => run_tests(name, ("tests", CASES), sandbox, worktree).await,
        });
    }
    results
}

/// Runs tests as the product file says them.
async fn run_own(name: &str, own: &OwnTests, which: Which, sandbox: &Sandbox) -> CheckResult {
    let run = match own.run(sandbox, which).await {
        Ok(Some(run)) => run,
        Ok(None) => return failure(name, "No test was run", "The product file names no such tests.", None),
        Err(reason) => return failure(name, "Not run", &reason, None),
    };
    let summary = format!("The commands of `{}` ended after {} ms.", product_file::PATH, run.duration_ms);
    let text = Some(code_block(&run.output));
    if !run.passed {
        return failed_run(name, &run, &summary, text);
    }
    let (conclusion, title) = ("success".to_owned(), "Passed".to_owned());
    CheckResult { name: name.to_owned(), conclusion, title, summary, text }
}

fn not_run(checks: &[String], reason: &str) -> Vec<CheckResult> {
    checks.iter().map(|name| failure(name, "Not run", reason, None)).collect()
}

async fn run_tests(
    name: &str,
    (directory, pattern): (&str, &str),
    sandbox: &Sandbox,
    worktree: &Worktree,
) -> CheckResult {
    let argv = ["python3", "-m", "unittest", "discover", "-s", directory, "-t", ".", "-p", pattern];
    let run = match sandbox.run(worktree.path(), &argv, Limits::default()).await {
        Ok(run) => run,
        Err(error) => return failure(name, "Not run", &error.to_string(), None),
    };
    let summary = format!("`{}` ended after {} ms.", argv.join(" "), run.duration_ms);
    let text = Some(code_block(&run.output));
    match tests_run(&run.output) {
        // Python before 3.12 passes a suite of no tests.
        _ if !run.passed => failed_run(name, &run, &summary, text),
        None | Some(0) => failure(name, "No test was run", &summary, text),
        Some(count) => CheckResult {
            name: name.to_owned(),
            conclusion: "success".to_owned(),
            title: format!("{} passed", counted(count, "test")),
            summary,
            text,
        },
    }
}

/// Searches the changed files for secrets and dangerous calls.
async fn scanned(name: &str, changed: &[String], worktree: &Worktree) -> CheckResult {
    let (mut found, mut searched) = (Vec::new(), 0_u32);
    for path in changed {
        // What is a link or a folder by now is nothing to search, and a link could lead out of the checkout.
        let file = worktree.path().join(path);
        let is_file = tokio::fs::symlink_metadata(&file).await.is_ok_and(|it| it.is_file());
        let Ok(bytes) = tokio::fs::read(&file).await else { continue };
        if is_file {
            searched += 1;
            let text = String::from_utf8_lossy(&bytes);
            let hits = scan::hits(path, &text).into_iter();
            found.extend(hits.map(|(line, what)| format!("- `{}:{line}`: {what}", path.replace('`', "'"))));
        }
    }
    let summary = format!("Searched {} for secrets and dangerous calls.", counted(searched, "changed file"));
    if !found.is_empty() {
        let title = counted(length(&found), "finding");
        return failure(name, &title, &format!("{summary}\n\n{}", found.join("\n")), None);
    }
    CheckResult {
        name: name.to_owned(),
        conclusion: if searched == 0 { "neutral" } else { "success" }.to_owned(),
        title: if searched == 0 { "No changed file to search" } else { "No finding" }.to_owned(),
        summary,
        text: None,
    }
}

/// The fields of a manifest that decide the conclusion.
#[derive(Deserialize)]
struct Manifest {
    flow: String,
    assertions: Vec<Assertion>,
}

#[derive(Deserialize)]
struct Assertion {
    name: String,
    passed: bool,
}

async fn evidence(sha: &Sha, sandbox: &Sandbox, worktree: &Worktree, own: Option<&OwnTests>) -> CheckResult {
    let name = "Browser Evidence";
    // Isolated: a module of the product that is named as one of the standard library does not take its place here.
    let argv = ["python3", "-I", "-c", EVIDENCE_DRIVER, sha.as_str()];
    let run = match own {
        Some(own) => own.run_words(sandbox, &argv.map(str::to_owned)).await,
        None => {
            let run = sandbox.run(worktree.path(), &argv, Limits::default()).await;
            run.map_err(|error| error.to_string())
        }
    };
    let run = match run {
        Ok(run) => run,
        Err(reason) => return failure(name, "Not run", &reason, None),
    };
    let summary = "The product's service was called over HTTP in the sandbox. No browser was used: \
                   this stand-in sees status codes and text, but no images and no scripts.";
    let printed = run.output.lines().rev().find_map(|line| line.strip_prefix("MANIFESTS "));
    let manifests = printed.and_then(|json| serde_json::from_str::<Value>(json).ok());
    let Some(manifests) = manifests.filter(|_| run.passed) else {
        return failed_run(name, &run, summary, Some(code_block(&run.output)));
    };
    let text = serde_json::to_string_pretty(&manifests).ok();
    match Vec::<Manifest>::deserialize(manifests).as_deref() {
        Ok([]) | Err(_) => failure(name, "Stand-in for a browser: no flow was observed", summary, text),
        Ok(flows) => concluded(name, flows, summary, text),
    }
}

fn concluded(name: &str, flows: &[Manifest], summary: &str, text: Option<String>) -> CheckResult {
    let missed = |flow: &Manifest| {
        let flow_name = flow.flow.clone();
        let missed = flow.assertions.iter().filter(|assertion| !assertion.passed);
        missed.map(move |assertion| format!("- `{flow_name}`: {}", assertion.name)).collect::<Vec<_>>()
    };
    let missed: Vec<String> = flows.iter().flat_map(missed).collect();
    if !missed.is_empty() {
        let title = format!("Stand-in for a browser: {} failed", counted(length(&missed), "assertion"));
        return failure(name, &title, &format!("{summary}\n\n{}", missed.join("\n")), text);
    }
    CheckResult {
        name: name.to_owned(),
        conclusion: "success".to_owned(),
        title: format!("Stand-in for a browser: {} behaved as declared", counted(length(flows), "flow")),
        summary: summary.to_owned(),
        text,
    }
}

fn failed_run(name: &str, run: &TestRun, summary: &str, text: Option<String>) -> CheckResult {
    let title = match run.exit {
        _ if run.timed_out => "Timed out".to_owned(),
        Some(0) => "Printed no result".to_owned(),
        Some(exit) => format!("Failed with exit code {exit}"),
        None => "Killed".to_owned(),
    };
    let conclusion = if run.timed_out { "timed_out" } else { "failure" };
    CheckResult { conclusion: conclusion.to_owned(), ..failure(name, &title, summary, text) }
}

fn failure(name: &str, title: &str, summary: &str, text: Option<String>) -> CheckResult {
    CheckResult {
        name: name.to_owned(),
        conclusion: "failure".to_owned(),
        title: title.to_owned(),
        summary: summary.to_owned(),
        text,
    }
}

/// The number in the last line of unittest like `Ran 3 tests in 0.001s`.
fn tests_run(output: &str) -> Option<u32> {
    let line = output.lines().rev().find_map(|line| line.strip_prefix("Ran "))?;
    line.split_once(' ')?.0.parse().ok()
}

fn length<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

/// The tail of the log as a Markdown code block that the log itself cannot close.
fn code_block(output: &str) -> String {
    let skip = output.len().saturating_sub(LONGEST_LOG);
    let begin = (skip..=output.len()).find(|&at| output.is_char_boundary(at)).unwrap_or(0);
    format!("~~~~~~text\n{}\n~~~~~~", output[begin..].replace("~~~~~~", "~~~~~"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, count: Option<u32>) {
        assert_eq!(tests_run(output), count, "{output}");
    }

    #[test]
    fn the_number_of_tests_is_in_the_last_line_of_unittest() {
        check("..\nRan 2 tests in 0.001s\n\nOK\n", Some(2));
        check("Ran 9 tests in 1s\nRan 0 tests in 0.000s\n\nNO TESTS RAN", Some(0));
        check("Ran away", None);
        check("", None);
    }

    #[tokio::test]
    async fn without_a_sandbox_every_check_fails_and_says_why() {
        let ci = product_ci(Err(Unavailable { reason: "bubblewrap is not installed".to_owned() }));
        let sha = "0".repeat(40).parse().unwrap();
        let checks = CHECKS.map(str::to_owned).to_vec();
        let job =
            CiJob { repository: PathBuf::from("/nowhere"), sha, changed: Vec::new(), checks: checks.clone() };
        let results = (ci.run)(job).await;
        let names: Vec<_> = results.iter().map(|result| result.name.clone()).collect();
        assert_eq!(names, checks);
        for result in results {
            assert_eq!(result.conclusion, "failure");
            assert!(result.summary.contains("bubblewrap is not installed"), "{}", result.summary);
        }
    }

    #[test]
    fn a_check_that_a_repository_does_not_have_is_not_reported() {
        let checks =
            |paths: &[&str]| checks_of(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
        assert_eq!(checks(&["main.go", "tests/run.sh", "tests/evidence/a.json"]), ["Security Scan"]);
        assert_eq!(checks(&["tests/unit/test_a.py"]), ["CI Pipeline", "Security Scan"]);
        let harness = ["tests/harness/test_a.py", "tests/harness/integration_a.py", FLOWS];
        assert_eq!(checks(&harness), CHECKS);
    }

    #[test]
    fn a_log_cannot_close_its_own_code_block() {
        assert_eq!(code_block("a\n~~~~~~\nb").matches("~~~~~~").count(), 2);
    }
}
