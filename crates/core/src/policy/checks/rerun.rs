//! Checks whose machinery failed: they say nothing about the code, and are run again.

use serde::Serialize;

use super::Standing;
use crate::policy::{CheckFact, CheckState, CheckStatus, Ci, MOST_RERUNS, WorkflowRun};

/// A workflow run whose failed jobs are to be run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RerunOf {
    /// The workflow run.
    pub workflow_run: u64,
    /// The attempt that failed.
    pub attempt: u32,
    /// Which re-run on this head it will be, counted from 1.
    pub number: u32,
}

/// The standing of a check run that ended with `word`, such as `cancelled`, and not by what it checks.
pub(super) fn of_run(ci: &Ci, run: &CheckFact, word: &str) -> Standing {
    let found = ci.workflow_runs.iter().find(|found| found.suite.is_some() && found.suite == run.suite);
    let standing = match found {
        Some(found) => of_workflow(ci, found, word),
        None => running(format!("{word}; only its app or a person can run it again")),
    };
    Standing { url: run.url.clone(), run: Some(run.id), since: standing.since.or(run.since), ..standing }
}

/// The standing of a workflow run that ended with `word`.
pub(super) fn of_workflow(ci: &Ci, run: &WorkflowRun, word: &str) -> Standing {
    let asked: Vec<_> = ci.reruns.iter().filter(|rerun| rerun.workflow_run == run.id).collect();
    let number = u32::try_from(asked.len()).unwrap_or(u32::MAX);
    if let Some(last) = asked.last().filter(|last| last.attempt >= run.attempt) {
        let detail = match &last.refused {
            Some(why) => format!("{word}; waits for a person to run it again, because we may not: {why}"),
            None => format!("{word}; re-run {number} of {MOST_RERUNS} has not begun"),
        };
        return Standing { since: Some(last.at), ..running(detail) };
    }
    if run.status != CheckStatus::Completed {
        return running(format!("{word}; its workflow run is not over"));
    }
    if number >= MOST_RERUNS {
        let times = if number == 1 { "re-run" } else { "re-runs" };
        return Standing::plain(CheckState::Failed, format!("{word}, after {number} {times}"));
    }
    let rerun = RerunOf { workflow_run: run.id, attempt: run.attempt, number: number + 1 };
    let detail = format!("{word}; is run again ({} of {MOST_RERUNS})", number + 1);
    Standing { rerun: Some(rerun), ..running(detail) }
}

fn running(detail: String) -> Standing {
    Standing::plain(CheckState::Running, detail)
}
