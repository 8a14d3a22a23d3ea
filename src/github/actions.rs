//! GitHub Actions: the workflow runs behind check runs, their jobs, logs and re-runs.

use chrono::{DateTime, Utc};
use http::Method;
use serde::Deserialize;

use super::{Error, Forge, Kind, route, text_or_empty};
use crate::core::{
    policy::{CheckStatus, Conclusion},
    requirement::RepoName,
    sha::Sha,
};

/// One run of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WorkflowRun {
    /// GitHub's number; a re-run keeps it.
    pub id: u64,
    /// The workflow's number.
    pub workflow_id: u64,
    /// The check suite with its jobs.
    #[serde(default)]
    pub check_suite_id: Option<u64>,
    /// The workflow's name.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub name: String,
    /// Which attempt it is, counted from 1.
    #[serde(default = "first")]
    pub run_attempt: u32,
    /// How far it is.
    pub status: CheckStatus,
    /// How it ended, once it is completed.
    #[serde(default)]
    pub conclusion: Option<Conclusion>,
    /// Its page.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub html_url: String,
}

/// One job of a workflow run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Job {
    /// GitHub's number.
    pub id: u64,
    /// Its check run's address, which ends with the number of the check run.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub check_run_url: String,
    /// How it ended, once it is completed.
    #[serde(default)]
    pub conclusion: Option<Conclusion>,
    /// Its steps.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// One step of a job.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Step {
    /// How far it is.
    pub status: CheckStatus,
    /// When it ended.
    #[serde(default)]
    pub completed_at: Option<DateTime<Utc>>,
}

const fn first() -> u32 {
    1
}

impl Job {
    /// The number of its check run.
    #[must_use]
    pub fn check_run(&self) -> Option<u64> {
        self.check_run_url.rsplit('/').next()?.parse().ok()
    }

    /// How many of its steps are done.
    #[must_use]
    pub fn steps_done(&self) -> u32 {
        let done = self.steps.iter().filter(|step| step.status == CheckStatus::Completed).count();
        u32::try_from(done).unwrap_or(u32::MAX)
    }
}

impl Forge {
    /// The newest attempt of every workflow run of a commit; `None` where we may not read them, or the server has
    /// no Actions.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn workflow_runs(&self, repo: &RepoName, sha: &Sha) -> Result<Option<Vec<WorkflowRun>>, Error> {
        #[derive(Deserialize)]
        struct Page {
            workflow_runs: Vec<WorkflowRun>,
        }
        let route = route(repo, &format!("actions/runs?head_sha={sha}"));
        readable(self.pages(&route, |page: Page| page.workflow_runs).await)
    }

    /// One workflow run.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn workflow_run(&self, repo: &RepoName, id: u64) -> Result<WorkflowRun, Error> {
        self.get(&route(repo, &format!("actions/runs/{id}"))).await
    }

    /// The jobs of the newest attempt of a workflow run; `None` where we may not read them.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn jobs(&self, repo: &RepoName, run: u64) -> Result<Option<Vec<Job>>, Error> {
        #[derive(Deserialize)]
        struct Page {
            jobs: Vec<Job>,
        }
        let route = route(repo, &format!("actions/runs/{run}/jobs"));
        readable(self.pages(&route, |page: Page| page.jobs).await)
    }

    /// The end of a job's log, at most `limit` bytes; `None` where there is none (any more), or it may not be
    /// read. The answer leads to another host, which never gets our token.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn job_log(&self, repo: &RepoName, job: u64, limit: usize) -> Result<Option<String>, Error> {
        let route = route(repo, &format!("actions/jobs/{job}/logs"));
        match self.call(Method::GET, &route, None::<&()>).await {
            Ok(answer) => Ok(Some(tail(&answer.body, limit))),
            // A log only helps: without it there are the annotations.
            Err(error) if !error.is_transient() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Runs the failed jobs of a workflow run again, as a new attempt of it.
    ///
    /// # Errors
    /// Those of the call; [`Kind::Forbidden`] without the permission `actions: write`, and where the run is too
    /// old or not over.
    pub async fn rerun_failed_jobs(&self, repo: &RepoName, run: u64) -> Result<(), Error> {
        let route = route(repo, &format!("actions/runs/{run}/rerun-failed-jobs"));
        self.call(Method::POST, &route, None::<&()>).await.map(drop)
    }
}

/// What may not be read, or does not exist, is unknown.
fn readable<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), Kind::Forbidden | Kind::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The last lines of a text, at most `limit` bytes of them.
fn tail(bytes: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.len() <= limit {
        return text.into_owned();
    }
    let end = &text[text.ceil_char_boundary(text.len() - limit)..];
    end.split_once('\n').map_or(end, |(_, lines)| lines).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_begins_with_a_whole_line() {
        assert_eq!(tail(b"one\ntwo\nthree", 100), "one\ntwo\nthree");
        assert_eq!(tail(b"one\ntwo\nthree", 7), "three");
        assert_eq!(tail("ü".repeat(50).as_bytes(), 9), "ü".repeat(4));
    }

    #[test]
    fn a_job_names_its_check_run() {
        let job = serde_json::json!({
            "id": 7, "check_run_url": "https://api.github.com/repos/a/b/check-runs/399444496",
            "steps": [{"status": "completed"}, {"status": "in_progress"}],
        });
        let job: Job = serde_json::from_value(job).unwrap();
        assert_eq!((job.check_run(), job.steps_done()), (Some(399_444_496), 1));
    }
}
