//! Check suites: which one a check run belongs to, and how a whole suite stands.

use super::{
    host::NewIds,
    state::{CheckRun, CheckSuite, Repository, WorkflowRun, now},
};

impl Repository {
    pub(crate) fn workflow_run(&self, id: i64) -> Option<&WorkflowRun> {
        self.workflow_runs.iter().find(|run| run.id == id)
    }

    /// The branch of an open pull request with this head.
    pub(crate) fn branch_of(&self, sha: &str) -> Option<String> {
        let pull = self.pulls.iter().rev().find(|pull| pull.head_sha == sha);
        pull.map(|pull| pull.head_ref.clone())
    }
}

/// The suite of an app on a commit, made if there is none. What Actions' own token reports joins the newest suite.
pub(crate) fn of_app(it: &mut Repository, ids: &mut NewIds<'_>, app: &str, head_sha: &str) -> i64 {
    let known = it.suites.iter().rev().find(|suite| suite.app == app && suite.head_sha == head_sha);
    match known {
        Some(suite) => suite.id,
        None => begin(it, ids, app, head_sha),
    }
}

/// A new suite.
pub(crate) fn begin(it: &mut Repository, ids: &mut NewIds<'_>, app: &str, head_sha: &str) -> i64 {
    let (id, now) = (ids.next(), now());
    it.suites.push(CheckSuite {
        id,
        app: app.to_owned(),
        head_sha: head_sha.to_owned(),
        created_at: now.clone(),
        updated_at: now,
    });
    id
}

/// The newest check run of each name in a suite, oldest first.
pub(crate) fn latest(it: &Repository, suite: i64) -> Vec<&CheckRun> {
    let of_suite: Vec<&CheckRun> = it.check_runs.iter().filter(|run| run.suite == suite).collect();
    let is_latest =
        |run: &&CheckRun| of_suite.iter().all(|other| other.name != run.name || other.id <= run.id);
    of_suite.iter().copied().filter(is_latest).collect()
}

/// Status and conclusion that check runs add up to: the worst conclusion, once all are completed.
pub(crate) fn sum(runs: &[&CheckRun]) -> (&'static str, Option<String>) {
    const WORST_FIRST: [&str; 9] = [
        "startup_failure",
        "failure",
        "timed_out",
        "cancelled",
        "action_required",
        "stale",
        "success",
        "neutral",
        "skipped",
    ];
    if runs.is_empty() || runs.iter().all(|run| run.status == "queued") {
        return ("queued", None);
    }
    if runs.iter().any(|run| run.status != "completed") {
        return ("in_progress", None);
    }
    let is = |word: &&&str| runs.iter().any(|run| run.conclusion.as_deref() == Some(**word));
    ("completed", WORST_FIRST.iter().find(is).map(|word| (*word).to_owned()))
}
