//! What a run says of its heads at the forge: by check runs, or by statuses where it may make no check runs.

use aspora::{
    core::policy::{EVIDENCE_CHECK, GATE_CHECK, REVIEW_CHECK},
    dev::github::{APP, Phase, Twin},
};

use super::world::REPO;

/// What a run says of a head.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) name: String,
    pub(super) head: String,
    /// Of the check run, or the status's state; `None` while it is open.
    pub(super) conclusion: Option<String>,
    pub(super) title: String,
}

/// Our check runs, then our statuses, oldest first; of the statuses of a head and name the last.
pub(super) fn ours(twin: &Twin) -> Vec<Report> {
    let runs = twin.check_runs(REPO).into_iter().filter(|run| run.app == APP);
    let mut reports: Vec<Report> = runs
        .map(|run| Report {
            name: run.name,
            head: run.head_sha,
            conclusion: run.conclusion,
            title: run.title.unwrap_or_default(),
        })
        .collect();
    for status in twin
        .statuses(REPO)
        .into_iter()
        .filter(|it| [GATE_CHECK, REVIEW_CHECK, EVIDENCE_CHECK].contains(&&*it.context))
    {
        reports.retain(|it| (&it.name, &it.head) != (&status.context, &status.sha));
        reports.push(Report {
            name: status.context,
            head: status.sha,
            conclusion: Some(status.state).filter(|state| state != "pending"),
            title: status.description.unwrap_or_default(),
        });
    }
    reports
}

/// Whether a request says something of a head.
pub(super) fn says(path: &str) -> bool {
    path.contains("/check-runs") || path.contains("/statuses/")
}

/// Whether a request has just reported that the gate passed, which a verdict does before it answers.
pub(super) fn is_cleared(twin: &Twin, _: &str, path: &str, phase: Phase) -> bool {
    let passed = |it: &Report| it.name == GATE_CHECK && it.conclusion.as_deref() == Some("success");
    phase == Phase::AfterApply && says(path) && ours(twin).iter().any(passed)
}
