//! The CI stand-in: runs the tests of a product in the sandbox, and returns the results of its checks.

use std::{path::PathBuf, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};

use super::{
    evidence::{self, Captured, EvidenceInbox},
    own_tests::{OwnTests, Which, files, is_case as is_own_case},
    scan,
};
use crate::{
    core::{product_file, sha::Sha, words::counted},
    workspace::{Limits, Mirror, Sandbox, TestRun, Unavailable, Worktree},
};

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
    /// Details, such as the tail of the log.
    pub text: Option<String>,
}

/// One commit to check.
#[derive(Debug, Clone)]
pub struct CiJob {
    /// The bare repository on this machine.
    pub repository: PathBuf,
    /// Its name at the forge, `owner/name`.
    pub name: String,
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
    ["CI Pipeline", "harness-smoke", evidence::CHECK, "harness-integration", "Security Scan"];
/// The modules of unit tests and cases, and those of cases that start the whole service.
const CASES: &str = "test*.py";
const INTEGRATION: &str = "integration*.py";

/// The checks of a product, run in the sandbox on the commit: all its tests as `CI Pipeline`, its harness as
/// `harness-smoke` and the cases there that start the whole service as `harness-integration`, the specs of its flows in a
/// browser as `capture-evidence`, whose evidence goes to `inbox`; and a search of the changed files as `Security Scan`.
/// What a repository does not have is not reported. Without a sandbox every check fails with the reason.
#[must_use]
pub fn product_ci(sandbox: Result<Sandbox, Unavailable>, inbox: EvidenceInbox) -> Ci {
    let run = move |job: CiJob| check_all(sandbox.clone(), inbox.clone(), job).boxed();
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
        evidence::CHECK => evidence::is_captured(paths),
        _ => true,
    };
    CHECKS.into_iter().filter(|name| has(name)).map(str::to_owned).collect()
}

/// Whether a path is that of a Python module below `folder` whose name begins so.
fn is_case(path: &str, folder: &str, begin: &str) -> bool {
    let name = path.strip_prefix(folder).and_then(|rest| rest.rsplit('/').next());
    name.is_some_and(|name| name.starts_with(begin) && name.ends_with(".py"))
}

async fn check_all(
    sandbox: Result<Sandbox, Unavailable>,
    inbox: EvidenceInbox,
    job: CiJob,
) -> Vec<CheckResult> {
    let sandbox = sandbox.map_err(|unavailable| unavailable.to_string());
    let mirror = Mirror::at(job.repository.clone());
    let worktree = mirror.worktree(&job.sha).await.map_err(|error| format!("no checkout: {error}"));
    let ready = sandbox.and_then(|sandbox| worktree.map(|worktree| (sandbox, worktree)));
    let (sandbox, worktree) = match &ready {
        Ok((sandbox, worktree)) => (sandbox, worktree),
        Err(reason) => return not_run(&job.checks, reason),
    };
    let own = match OwnTests::of(sandbox, worktree).await {
        Ok(own) => own,
        Err(reason) => return not_run(&job.checks, &reason),
    };
    let mut results = Vec::new();
    for name in &job.checks {
        results.push(match (name.as_str(), &own) {
            ("Security Scan", _) => scanned(name, &job.changed, worktree).await,
            (evidence::CHECK, _) => captured(&job, sandbox, worktree, &inbox).await,
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

/// Captures the evidence of the flows and sends it. The check is of the capture: what is in the evidence is the server's to judge.
async fn captured(job: &CiJob, sandbox: &Sandbox, worktree: &Worktree, inbox: &EvidenceInbox) -> CheckResult {
    let name = evidence::CHECK;
    let paths = match files(worktree.path()) {
        Ok(paths) => paths,
        Err(error) => return failure(name, "Not captured here", &format!("list the files: {error}"), None),
    };
    let captured = evidence::capture(&job.sha, sandbox, (worktree, &paths)).await;
    let Captured { run, packed } = match captured {
        Ok(captured) => captured,
        Err(reason) => return failure(name, "Not captured here", &reason, None),
    };
    let text = Some(code_block(&run.output));
    let sent = match packed {
        Ok(packed) => inbox.send(&job.name, packed).await,
        Err(reason) => Err(format!("there is nothing to send: {reason}")),
    };
    let summary = match &sent {
        Ok(judged) => {
            format!("The evidence was sent, and came out as `{}`:\n\n{}", judged.conclusion, judged.lines())
        }
        Err(reason) => reason.clone(),
    };
    match sent {
        Err(_) if run.passed => failure(name, "Captured, and not sent", &summary, text),
        Ok(_) if run.passed => {
            let (conclusion, title) = ("success".to_owned(), "Captured and sent".to_owned());
            CheckResult { name: name.to_owned(), conclusion, title, summary, text }
        }
        _ => failed_run(name, &run, &summary, text),
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
        let ci = product_ci(
            Err(Unavailable { reason: "bubblewrap is not installed".to_owned() }),
            EvidenceInbox::default(),
        );
        let sha = "0".repeat(40).parse().unwrap();
        let checks = CHECKS.map(str::to_owned).to_vec();
        let job = CiJob {
            repository: PathBuf::from("/nowhere"),
            name: "acme/shop".to_owned(),
            sha,
            changed: Vec::new(),
            checks: checks.clone(),
        };
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
        let harness = ["tests/harness/test_a.py", "tests/harness/integration_a.py"];
        let flows = ["package.json", "tests/browser/a.spec.ts"];
        assert_eq!(checks(&[&harness[..], &flows[..]].concat()), CHECKS);
    }

    #[test]
    fn a_log_cannot_close_its_own_code_block() {
        assert_eq!(code_block("a\n~~~~~~\nb").matches("~~~~~~").count(), 2);
    }
}
