//! Workflow runs of GitHub Actions: their jobs are check runs, and their failed jobs can be run again.

use http::StatusCode;

use super::{
    accounts::{CI_APP, bot_of, user_id},
    checks::{self, CheckFields, CheckOutput},
    event::Event,
    host::{Host, Turn},
    refusal::Refusal,
    state::{CheckRun, Repository, WorkflowRun, now},
    suites,
};

/// How a job ended.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    pub(crate) conclusion: String,
    pub(crate) log: String,
    pub(crate) output: CheckOutput,
}

/// Starts a workflow on a commit, with its jobs queued; the workflow run. 422 when the commit is unknown.
pub(crate) async fn begin(
    turn: &Turn<'_>,
    repo: &str,
    (workflow, event): (&str, &str),
    sha: &str,
    jobs: &[String],
) -> Result<i64, Refusal> {
    if turn.git(repo).commit_named(sha).await?.as_deref() != Some(sha) {
        return Err(Refusal::rule("WorkflowRun", &format!("No commit found for SHA: {sha}")));
    }
    let run = turn.write(repo, |it, ids| {
        let suite = suites::begin(it, ids, CI_APP, sha);
        let (id, now) = (ids.next(), now());
        let earlier = it.workflow_runs.iter().filter(|run| run.name == workflow).count();
        let run = WorkflowRun {
            id,
            workflow: user_id(workflow),
            name: workflow.to_owned(),
            event: event.to_owned(),
            number: i64::try_from(earlier).unwrap_or(i64::MAX).saturating_add(1),
            suite,
            head_sha: sha.to_owned(),
            head_branch: it.branch_of(sha),
            attempt: 1,
            status: "queued".to_owned(),
            conclusion: None,
            created_at: now.clone(),
            updated_at: now,
        };
        it.workflow_runs.push(run.clone());
        run
    })?;
    for job in jobs {
        queue(turn, repo, &run, job)?;
    }
    Ok(run.id)
}

fn queue(turn: &Turn<'_>, repo: &str, run: &WorkflowRun, job: &str) -> Result<(), Refusal> {
    let fields = CheckFields { name: Some(job.to_owned()), ..CheckFields::default() };
    checks::add(turn, repo, CI_APP, Some(run.suite), &run.head_sha, fields)?;
    Ok(())
}

/// Queues another job of a workflow run.
pub(crate) fn queue_in(turn: &Turn<'_>, repo: &str, id: i64, job: &str) -> Result<(), Refusal> {
    let run = turn.read(repo, |it| it.workflow_run(id).cloned())?.ok_or_else(Refusal::not_found)?;
    queue(turn, repo, &run, job)
}

/// The unfinished jobs of a workflow run.
pub(crate) fn unfinished(host: &Host, repo: &str, id: i64) -> Result<Vec<CheckRun>, Refusal> {
    let found = host.read(repo, |it| {
        let run = it.workflow_run(id)?;
        let open = suites::latest(it, run.suite).into_iter().filter(|job| job.status != "completed");
        Some(open.cloned().collect())
    })?;
    found.ok_or_else(Refusal::not_found)
}

/// A runner took a job.
pub(crate) async fn start(turn: &Turn<'_>, repo: &str, job: i64) -> Result<(), Refusal> {
    let fields = CheckFields { status: Some("in_progress".to_owned()), ..CheckFields::default() };
    checks::update(turn, repo, CI_APP, job, fields)?;
    settle(turn, repo, job).await
}

/// A job ended; with the last one its workflow run ends.
pub(crate) async fn finish(turn: &Turn<'_>, repo: &str, job: i64, ending: Ending) -> Result<(), Refusal> {
    turn.write(repo, |it, _| {
        if let Some(run) = it.check_runs.iter_mut().find(|run| run.id == job) {
            run.log = Some(ending.log);
        }
    })?;
    let fields = CheckFields {
        conclusion: Some(ending.conclusion),
        output: Some(ending.output),
        ..CheckFields::default()
    };
    checks::update(turn, repo, CI_APP, job, fields)?;
    settle(turn, repo, job).await
}

/// Brings the workflow run of a job up to date, and announces its end.
async fn settle(turn: &Turn<'_>, repo: &str, job: i64) -> Result<(), Refusal> {
    let ended = turn.write(repo, |it, _| {
        let suite = it.check_runs.iter().find(|run| run.id == job)?.suite;
        let (status, conclusion) = suites::sum(&suites::latest(it, suite));
        let run = it.workflow_runs.iter_mut().find(|run| run.suite == suite)?;
        run.updated_at = now();
        status.clone_into(&mut run.status);
        run.conclusion = conclusion;
        (status == "completed").then(|| run.clone())
    })?;
    match ended {
        Some(run) => announce(turn, repo, &run).await,
        None => Ok(()),
    }
}

async fn announce(turn: &Turn<'_>, repo: &str, run: &WorkflowRun) -> Result<(), Refusal> {
    let actor = bot_of(CI_APP);
    let head = turn.git(repo).commit(&run.head_sha).await?;
    let ended = Event::WorkflowRun { action: "completed", run: run.clone(), head: head.clone() };
    turn.announce(repo, &actor, &ended)?;
    let suite = turn.read(repo, |it| it.suites.iter().find(|suite| suite.id == run.suite).cloned())?;
    let suite = suite.ok_or_else(Refusal::not_found)?;
    Ok(turn.announce(repo, &actor, &Event::CheckSuite { action: "completed", suite, head })?)
}

/// Ends a workflow run before any job began, as `startup_failure` or `action_required`.
pub(crate) async fn end_without_jobs(
    turn: &Turn<'_>,
    repo: &str,
    id: i64,
    conclusion: &str,
) -> Result<(), Refusal> {
    let run = turn.write(repo, |it, _| {
        let run = it.workflow_runs.iter_mut().find(|run| run.id == id)?;
        "completed".clone_into(&mut run.status);
        run.conclusion = Some(conclusion.to_owned());
        Some(run.clone())
    })?;
    announce(turn, repo, &run.ok_or_else(Refusal::not_found)?).await
}

/// Begins the next attempt of a workflow run, with its failed jobs queued again. 403 while it runs (seen). What
/// GitHub answers where no job failed is not documented: 403 here.
pub(crate) fn rerun_failed_jobs(turn: &Turn<'_>, repo: &str, id: i64) -> Result<(), Refusal> {
    let run = turn.read(repo, |it| it.workflow_run(id).cloned())?.ok_or_else(Refusal::not_found)?;
    let forbidden = |message: &str| Refusal::new(StatusCode::FORBIDDEN, message);
    if run.status != "completed" {
        return Err(forbidden("This workflow is already running"));
    }
    let failed = turn.read(repo, |it| failed_jobs(it, &run))?;
    let unstarted = run.conclusion.as_deref() == Some("startup_failure");
    if failed.is_empty() && !unstarted {
        return Err(forbidden("This workflow run has no failed jobs"));
    }
    let run = turn.write(repo, |it, _| {
        let run = it.workflow_runs.iter_mut().find(|run| run.id == id)?;
        run.attempt += 1;
        "queued".clone_into(&mut run.status);
        run.conclusion = None;
        run.updated_at = now();
        Some(run.clone())
    })?;
    let run = run.ok_or_else(Refusal::not_found)?;
    failed.iter().try_for_each(|job| queue(turn, repo, &run, job))
}

fn failed_jobs(it: &Repository, run: &WorkflowRun) -> Vec<String> {
    let fine = |job: &&CheckRun| matches!(job.conclusion.as_deref(), Some("success" | "skipped" | "neutral"));
    let failed = suites::latest(it, run.suite).into_iter().filter(|job| !fine(job));
    failed.map(|job| job.name.clone()).collect()
}
