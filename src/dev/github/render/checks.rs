//! Check runs and commit statuses.

use serde_json::{Value, json};

use super::{Links, node};
use crate::dev::github::state::{CheckRun, Repository, Status};

impl Links {
    /// A check run.
    pub(crate) fn check_run(&self, it: &Repository, run: &CheckRun) -> Value {
        let url = format!("{}/check-runs/{}", self.api(it), run.id);
        let page = format!("{}/runs/{}", self.page(it), run.id);
        let pulls = it.pulls.iter().filter(|pull| pull.open && pull.head_sha == run.head_sha);
        json!({
            "id": run.id, "head_sha": run.head_sha, "node_id": node("CR", run.id), "external_id": run.external_id,
            "url": url, "html_url": page, "details_url": run.details_url.as_ref().unwrap_or(&page),
            "status": run.status, "conclusion": run.conclusion, "started_at": run.started_at,
            "completed_at": run.completed_at, "name": run.name, "check_suite": self.suite_of(it, run),
            "output": {
                "title": run.title, "summary": run.summary, "text": run.text,
                "annotations_count": run.annotations.len(), "annotations_url": format!("{url}/annotations"),
            },
            "app": self.app(&run.app), "pull_requests": pulls.map(|pull| self.pull_minimal(it, pull)).collect::<Vec<_>>(),
        })
    }

    /// The suite of a check run, as far as a check run shows it.
    fn suite_of(&self, it: &Repository, run: &CheckRun) -> Value {
        json!({"id": run.suite, "head_branch": it.branch_of(&run.head_sha), "head_sha": run.head_sha})
    }

    /// A commit status as the combined status lists it: without its creator.
    pub(crate) fn simple_status(&self, it: &Repository, status: &Status) -> Value {
        let mut simple = self.status(it, status);
        if let Some(fields) = simple.as_object_mut() {
            fields.remove("creator");
        }
        simple
    }

    /// A commit status.
    pub(crate) fn status(&self, it: &Repository, status: &Status) -> Value {
        json!({
            "url": format!("{}/statuses/{}", self.api(it), status.sha), "avatar_url": null, "id": status.id,
            "node_id": node("SC", status.id), "state": status.state, "description": status.description,
            "target_url": status.target_url, "context": status.context, "created_at": status.created_at,
            "updated_at": status.created_at, "creator": self.user(&status.author),
        })
    }
}
