//! The twin's CI: checks each new head of an open pull request as GitHub Actions does, by a workflow run whose jobs
//! are check runs.
//!
//! A workflow run is saved before its jobs start, so a restarted twin finds the unfinished ones and runs them again.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::{
    accounts::CI_APP,
    actions::{self, Ending},
    checks::CheckOutput,
    host::Host,
    refusal::Refusal,
    state::CheckRun,
};
use crate::{
    core::sha::Sha,
    dev::ci::{CheckResult, CiJob},
};

/// The workflow with all checks of the CI.
const WORKFLOW: &str = "CI";
/// Where a repository's own workflow of that name is.
const OWN_WORKFLOW: &str = ".github/workflows/ci.yml";

/// Checks the head of a pull request, unless it was checked already or is being checked.
pub(crate) fn check(host: &Arc<Host>, repo: &str, number: i64) -> Result<(), Refusal> {
    let Some(ci) = &host.ci else { return Ok(()) };
    let head = host.read(repo, |it| it.pull(number).map(|pull| pull.head_sha.clone()))?;
    let head = head.ok_or_else(Refusal::not_found)?;
    let (ci, repo) = (ci.names.clone(), repo.to_owned());
    spawn(host, move |host| async move {
        let turn = host.turn().await;
        let names = ci.of(&paths(&host, &repo, &head).await?);
        // Asked in turn: two events of one head ask for one run.
        if names.is_empty() || !is_unchecked(&host, &repo, &head, &names)? {
            return Ok(());
        }
        let run = actions::begin(&turn, &repo, (WORKFLOW, "pull_request"), &head, &names).await?;
        drop(turn);
        run_jobs(&host, &repo, run).await
    });
    Ok(())
}

/// The files of a commit and of the default branch: a check that the base has is reported for a head that lost it too.
async fn paths(host: &Host, repo: &str, head: &str) -> anyhow::Result<Vec<String>> {
    let (git, branch) = (host.git(repo), host.read(repo, |it| it.default_branch.clone())?);
    let mut paths = git.paths(head).await?;
    if git.branch(&branch).await?.is_some() {
        paths.extend(git.paths(&format!("refs/heads/{branch}")).await?);
    }
    Ok(paths)
}

fn is_unchecked(host: &Host, repo: &str, head: &str, names: &[String]) -> Result<bool, Refusal> {
    let known = |run: &CheckRun| run.app == CI_APP && run.head_sha == head && names.contains(&run.name);
    host.read(repo, |it| !it.check_runs.iter().any(known))
}

/// Runs the unfinished jobs of a workflow run, if it is the CI's.
pub(crate) fn work(host: &Arc<Host>, repo: &str, run: i64) {
    let is_ours = host.with_state(|state| {
        let found = state.repositories.get(repo).and_then(|it| it.workflow_run(run));
        found.is_some_and(|run| run.name == WORKFLOW)
    });
    if host.ci.is_some() && is_ours {
        let repo = repo.to_owned();
        spawn(host, move |host| async move { run_jobs(&host, &repo, run).await });
    }
}

/// Runs the checks again that an earlier twin did not finish.
pub(crate) fn resume(host: &Arc<Host>) {
    let unfinished: BTreeSet<(String, i64)> = host.with_state(|state| {
        let all = state.repositories.iter();
        let runs = all.flat_map(|(name, it)| it.workflow_runs.iter().map(move |run| (name, run)));
        let open = runs.filter(|(_, run)| run.status != "completed");
        open.map(|(name, run)| (name.clone(), run.id)).collect()
    });
    for (repo, run) in unfinished {
        work(host, &repo, run);
    }
}

/// Waits until no check is running.
pub(crate) async fn settled(host: &Host) {
    let _ = host.checking.subscribe().wait_for(|running| *running == 0).await;
}

fn spawn<F>(host: &Arc<Host>, job: impl FnOnce(Arc<Host>) -> F)
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    host.checking.send_modify(|running| *running += 1);
    let (job, host) = (job(Arc::clone(host)), Arc::clone(host));
    tokio::spawn(async move {
        tokio::select! {
            done = job => {
                if let Err(error) = done {
                    tracing::error!("the twin's CI failed: {error:#}");
                }
            }
            () = host.stop.cancelled() => {}
        }
        host.checking.send_modify(|running| *running -= 1);
    });
}

async fn run_jobs(host: &Arc<Host>, repo: &str, run: i64) -> anyhow::Result<()> {
    let Some(ci) = &host.ci else { return Ok(()) };
    let jobs = actions::unfinished(host, repo, run)?;
    let Some(first) = jobs.first() else { return Ok(()) };
    for job in &jobs {
        actions::start(&host.turn().await, repo, job.id).await?;
    }
    let sha = first.head_sha.parse::<Sha>()?;
    let changed = changed(host, repo, sha.as_str()).await?;
    let checks = jobs.iter().map(|job| job.name.clone()).collect();
    let work = (ci.run)(CiJob {
        repository: host.git(repo).dir,
        name: repo.to_owned(),
        sha: sha.clone(),
        changed,
        checks,
    });
    let results = tokio::select! {
        results = work => Some(results),
        () = superseded(host, repo, sha.as_str()) => None,
    };
    for job in jobs {
        let ending = match &results {
            Some(results) => ending(results.iter().find(|result| result.name == job.name)),
            None => cancelled(),
        };
        actions::finish(&host.turn().await, repo, job.id, ending).await?;
    }
    Ok(())
}

/// Waits until a head that is checked is that of no pull request any more, in a repository whose own workflow ends its runs
/// then; otherwise for ever.
async fn superseded(host: &Host, repo: &str, sha: &str) {
    let is_head = || host.read(repo, |it| it.pulls.iter().any(|pull| pull.head_sha == sha)).unwrap_or(false);
    let mut moved = host.moved.subscribe();
    let workflow = host.git(repo).file(sha, OWN_WORKFLOW).await.ok().flatten().unwrap_or_default();
    let cancels = String::from_utf8_lossy(&workflow).contains("cancel-in-progress: ");
    if !cancels || !is_head() {
        std::future::pending::<()>().await;
    }
    while is_head() {
        if moved.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The end of a job that a newer head made needless.
fn cancelled() -> Ending {
    let title = "Cancelled: a newer head is checked";
    let output = CheckOutput { title: Some(title.to_owned()), ..CheckOutput::default() };
    Ending { conclusion: "cancelled".to_owned(), log: format!("{title}\n"), output }
}

/// The files that a commit brings to the base of its pull request.
async fn changed(host: &Host, repo: &str, sha: &str) -> anyhow::Result<Vec<String>> {
    let base = host.with_state(|state| {
        let pull = state.repositories.get(repo)?.pulls.iter().rev().find(|pull| pull.head_sha == sha)?;
        Some(pull.base_sha.clone())
    });
    let Some(base) = base else { return Ok(Vec::new()) };
    let changes = host.git(repo).changes(&base, sha).await?;
    Ok(changes.into_iter().filter(|file| file.status != "removed").map(|file| file.path).collect())
}

/// The end of a job. A failed one has the annotation that Actions gives it.
fn ending(result: Option<&CheckResult>) -> Ending {
    let (conclusion, title, summary, text) = match result {
        Some(result) => (&*result.conclusion, &*result.title, &*result.summary, result.text.clone()),
        None => ("failure", "This check did not report", "The CI finished without a result for it.", None),
    };
    let failed = json!({
        "path": ".github", "start_line": 1, "end_line": 1, "annotation_level": "failure",
        "message": "Process completed with exit code 1.",
    });
    let output = CheckOutput {
        title: Some(title.to_owned()),
        summary: Some(summary.to_owned()),
        text: text.clone(),
        annotations: if conclusion == "failure" { vec![failed] } else { Vec::new() },
    };
    let log = text.unwrap_or_else(|| format!("{title}\n{summary}\n"));
    Ending { conclusion: conclusion.to_owned(), log, output }
}
