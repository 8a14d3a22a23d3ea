//! What tests do at the twin as a CI: workflow runs, jobs and commit statuses.

use serde_json::Value;

use super::{
    actions::{self, Ending},
    checks::{self, CheckFields, CheckOutput},
    state::{Status, WorkflowRun},
    statuses::{self, NewStatus},
    suites,
    twin::Twin,
};

/// How a job of a workflow run ends.
#[derive(Debug, Clone, Default)]
pub struct JobEnd {
    /// As GitHub names it: `success`, `failure`, `cancelled`, …
    pub conclusion: String,
    /// Its log.
    pub log: String,
    /// The title and the summary of its check run.
    pub output: Option<(String, String)>,
    /// What its check run says about lines.
    pub annotations: Vec<Value>,
}

impl Twin {
    /// Starts a workflow on a commit with these jobs, as GitHub Actions does; the number of its run.
    ///
    /// # Errors
    /// When the repository or the commit is unknown.
    pub async fn run_workflow(
        &self,
        repository: &str,
        sha: &str,
        workflow: &str,
        jobs: &[&str],
    ) -> anyhow::Result<i64> {
        let jobs: Vec<String> = jobs.iter().map(|&job| job.to_owned()).collect();
        let turn = self.shared.host.turn().await;
        Ok(actions::begin(&turn, repository, (workflow, "pull_request"), sha, &jobs).await?)
    }

    /// Starts a workflow on a commit because of an event, with no job queued; the number of its run.
    ///
    /// # Errors
    /// When the repository or the commit is unknown.
    pub async fn start_workflow(
        &self,
        repository: &str,
        sha: &str,
        workflow: &str,
        event: &str,
    ) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        Ok(actions::begin(&turn, repository, (workflow, event), sha, &[]).await?)
    }

    /// Queues another job of a workflow run, whose needs are met.
    ///
    /// # Errors
    /// When there is no such run.
    pub async fn queue_job(&self, repository: &str, run: i64, job: &str) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(actions::queue_in(&turn, repository, run, job)?)
    }

    /// A runner takes the queued job of this name, or the job that it has does another step.
    ///
    /// # Errors
    /// When there is no such job, or it is over.
    pub async fn move_job(&self, repository: &str, run: i64, job: &str) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        let id = open_job(self, repository, run, job)?;
        turn.write(repository, |it, _| {
            let job = it.check_runs.iter_mut().find(|run| run.id == id);
            job.into_iter().for_each(|job| job.steps += 1);
        })?;
        Ok(actions::start(&turn, repository, id).await?)
    }

    /// The unfinished job of this name ends.
    ///
    /// # Errors
    /// When there is no such job, or it is over.
    pub async fn end_job(&self, repository: &str, run: i64, job: &str, end: JobEnd) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        let id = open_job(self, repository, run, job)?;
        let (title, summary) = end.output.unzip();
        let output = CheckOutput { title, summary, text: None, annotations: end.annotations };
        let ending = Ending { conclusion: end.conclusion, log: end.log, output };
        Ok(actions::finish(&turn, repository, id, ending).await?)
    }

    /// Ends a workflow run before any job began, as `startup_failure` or `action_required`.
    ///
    /// # Errors
    /// When there is no such run.
    pub async fn end_workflow(&self, repository: &str, run: i64, conclusion: &str) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(actions::end_without_jobs(&turn, repository, run, conclusion).await?)
    }

    /// Runs the failed jobs of a workflow run again, as a person would.
    ///
    /// # Errors
    /// When GitHub would refuse it, with GitHub's reason.
    pub async fn rerun_workflow(&self, repository: &str, run: i64) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(actions::rerun_failed_jobs(&turn, repository, run)?)
    }

    /// Creates a branch at a commit.
    ///
    /// # Errors
    /// When git fails, for example because the branch exists.
    pub async fn create_branch(&self, repository: &str, branch: &str, sha: &str) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        turn.git(repository).move_branch(branch, sha, None).await
    }

    /// Reports a check as an app that writes its own time of start; the number of the check run.
    ///
    /// # Errors
    /// When the repository or the commit is unknown.
    pub async fn set_check_started_at(
        &self,
        app: &str,
        repository: &str,
        sha: &str,
        (name, started_at): (&str, &str),
    ) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        let fields = CheckFields {
            name: Some(name.to_owned()),
            head_sha: Some(sha.to_owned()),
            status: Some("in_progress".to_owned()),
            started_at: Some(started_at.to_owned()),
            ..CheckFields::default()
        };
        Ok(checks::create(&turn, repository, app, fields).await?)
    }

    /// Completes a check run of an app.
    ///
    /// # Errors
    /// When there is no such run of this app.
    pub async fn conclude_check(
        &self,
        app: &str,
        repository: &str,
        id: i64,
        conclusion: &str,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        let fields = CheckFields { conclusion: Some(conclusion.to_owned()), ..CheckFields::default() };
        Ok(checks::update(&turn, repository, app, id, fields)?)
    }

    /// Asks for a completed check run to be run again, as a person does on its page.
    ///
    /// # Errors
    /// When there is no such run, or it is not over.
    pub async fn rerequest_check_as(&self, user: &str, repository: &str, id: i64) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(checks::rerequest_as(&turn, repository, user, id)?)
    }

    /// Presses the button of a check run that has this identifier, as a person does on its page.
    ///
    /// # Errors
    /// When there is no such run or button.
    pub async fn request_action_as(
        &self,
        user: &str,
        repository: &str,
        id: i64,
        identifier: &str,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(checks::request_action(&turn, repository, user, id, identifier)?)
    }

    /// All workflow runs, oldest first.
    #[must_use]
    pub fn workflow_runs(&self, repository: &str) -> Vec<WorkflowRun> {
        let state = &self.shared.host;
        state.read(repository, |it| it.workflow_runs.clone()).unwrap_or_default()
    }

    /// Sets a commit status as another account.
    ///
    /// # Errors
    /// When GitHub would refuse it, with GitHub's reason.
    pub async fn set_status_as(
        &self,
        user: &str,
        repository: &str,
        sha: &str,
        (context, state, description): (&str, &str, &str),
    ) -> anyhow::Result<Status> {
        let turn = self.shared.host.turn().await;
        let new = NewStatus {
            state: state.to_owned(),
            context: Some(context.to_owned()),
            description: Some(description.to_owned()),
            target_url: None,
        };
        Ok(statuses::set(&turn, repository, user, sha, new).await?)
    }
}

fn open_job(twin: &Twin, repository: &str, run: i64, job: &str) -> anyhow::Result<i64> {
    let found = twin.shared.host.read(repository, |it| {
        let suite = it.workflow_run(run)?.suite;
        let latest = suites::latest(it, suite);
        let open = latest.iter().find(|known| known.name == job && known.status != "completed");
        open.map(|known| known.id)
    })?;
    found.ok_or_else(|| anyhow::anyhow!("run {run} has no unfinished job {job}"))
}
