//! Workflow runs, their jobs, and check suites.

use serde_json::{Value, json};

use super::{Links, node, with};
use crate::dev::github::{
    accounts::{CI_APP, bot_of},
    git::Commit,
    state::{CheckRun, CheckSuite, Repository, WorkflowRun},
    suites,
};

impl Links {
    /// A workflow run.
    pub(crate) fn workflow_run(&self, it: &Repository, run: &WorkflowRun) -> Value {
        let (api, page) = (self.api(it), self.page(it));
        let url = format!("{api}/actions/runs/{}", run.id);
        let suite = format!("{api}/check-suites/{}", run.suite);
        let pulls = it.pulls.iter().filter(|pull| pull.open && pull.head_sha == run.head_sha);
        let actor = self.user(&bot_of(CI_APP));
        let fields = json!({
            "id": run.id, "name": run.name, "node_id": node("WFR", run.id), "head_branch": run.head_branch,
            "head_sha": run.head_sha, "path": format!(".github/workflows/{}.yml", run.workflow),
            "display_title": run.name, "run_number": run.number, "event": run.event, "status": run.status,
            "conclusion": run.conclusion, "workflow_id": run.workflow, "check_suite_id": run.suite,
            "check_suite_node_id": node("CS", run.suite), "url": url,
            "html_url": format!("{page}/actions/runs/{}", run.id),
            "pull_requests": pulls.map(|pull| self.pull_minimal(it, pull)).collect::<Vec<_>>(),
            "created_at": run.created_at, "updated_at": run.updated_at, "actor": actor, "run_attempt": run.attempt,
            "run_started_at": run.updated_at, "triggering_actor": actor,
        });
        let more = json!({
            "jobs_url": format!("{url}/jobs"),
            "logs_url": format!("{url}/logs"), "check_suite_url": suite, "artifacts_url": format!("{url}/artifacts"),
            "cancel_url": format!("{url}/cancel"), "rerun_url": format!("{url}/rerun"), "previous_attempt_url": null,
            "workflow_url": format!("{api}/actions/workflows/{}", run.workflow), "head_commit": null,
            "repository": self.repository(it), "head_repository": self.repository(it),
        });
        with(fields, more)
    }

    /// A job: the check run of the same number, with the steps that its log tells of.
    pub(crate) fn job(&self, it: &Repository, run: &WorkflowRun, job: &CheckRun) -> Value {
        let api = self.api(it);
        json!({
            "id": job.id, "run_id": run.id, "workflow_name": run.name, "head_branch": run.head_branch,
            "run_url": format!("{api}/actions/runs/{}", run.id), "run_attempt": run.attempt,
            "node_id": node("CR", job.id), "head_sha": job.head_sha, "url": format!("{api}/actions/jobs/{}", job.id),
            "html_url": format!("{}/actions/runs/{}/job/{}", self.page(it), run.id, job.id), "status": job.status,
            "conclusion": job.conclusion, "created_at": job.started_at, "started_at": job.started_at,
            "completed_at": job.completed_at, "name": job.name, "steps": steps(job),
            "check_run_url": format!("{api}/check-runs/{}", job.id), "labels": ["ubuntu-latest"], "runner_id": null,
            "runner_name": null, "runner_group_id": null, "runner_group_name": null,
        })
    }

    /// A check suite, whose commit is given.
    pub(crate) fn check_suite(&self, it: &Repository, suite: &CheckSuite, commit: Option<&Commit>) -> Value {
        let latest = suites::latest(it, suite.id);
        let (status, conclusion) = suites::sum(&latest);
        let url = format!("{}/check-suites/{}", self.api(it), suite.id);
        let pulls = it.pulls.iter().filter(|pull| pull.open && pull.head_sha == suite.head_sha);
        let head_commit = commit.map(brief_commit);
        json!({
            "id": suite.id, "node_id": node("CS", suite.id), "head_branch": it.branch_of(&suite.head_sha),
            "head_sha": suite.head_sha, "status": status, "conclusion": conclusion, "url": url,
            "before": "0".repeat(40), "after": suite.head_sha,
            "pull_requests": pulls.map(|pull| self.pull_minimal(it, pull)).collect::<Vec<_>>(),
            "app": self.app(&suite.app), "repository": self.repository(it), "created_at": suite.created_at,
            "updated_at": suite.updated_at, "head_commit": head_commit, "latest_check_runs_count": latest.len(),
            "check_runs_url": format!("{url}/check-runs"), "rerequestable": true, "runs_rerequestable": true,
        })
    }

    /// An annotation of a check run, as its app sent it.
    pub(crate) fn annotation(&self, it: &Repository, run: &CheckRun, sent: &Value) -> Value {
        json!({
            "path": sent["path"], "start_line": sent["start_line"], "end_line": sent["end_line"],
            "start_column": sent["start_column"], "end_column": sent["end_column"],
            "annotation_level": sent["annotation_level"], "title": sent["title"], "message": sent["message"],
            "raw_details": sent["raw_details"],
            "blob_href": format!("{}/blob/{}/{}", self.page(it), run.head_sha, sent["path"].as_str().unwrap_or("")),
        })
    }
}

/// A commit as a check suite and a workflow run name their head.
pub(super) fn brief_commit(commit: &Commit) -> Value {
    json!({
        "id": commit.sha, "tree_id": commit.tree, "message": commit.message, "timestamp": commit.committer.date,
        "author": {"name": commit.author.name, "email": commit.author.email},
        "committer": {"name": commit.committer.name, "email": commit.committer.email},
    })
}

/// One step for each step that was announced, the last one open until the job is completed.
fn steps(job: &CheckRun) -> Vec<Value> {
    let step = |number: u32| {
        let done = number < job.steps || job.status == "completed";
        json!({
            "name": format!("Step {}", number + 1), "status": if done { "completed" } else { "in_progress" },
            "conclusion": if done { json!("success") } else { Value::Null }, "number": number + 1,
            "started_at": job.started_at, "completed_at": if done { json!(job.started_at) } else { Value::Null },
        })
    };
    (0..=job.steps).map(step).collect()
}
