//! How one report stands.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};

use super::{progress, rerun};
use crate::policy::{
    BaseReports, CheckDemand, CheckFact, CheckState, CheckStatus, Ci, CommitStatus, Conclusion,
    EVIDENCE_CHECK, Facts, RerunOf, StatusState, WorkflowRun,
};

/// The state of one check, before it becomes a row.
pub(in crate::policy) struct Standing {
    pub(super) state: CheckState,
    pub(super) detail: String,
    pub(super) url: Option<String>,
    /// The check run's number.
    pub(super) run: Option<u64>,
    /// Whether a change of code could make it pass.
    pub(super) fixable: bool,
    /// When it last moved; `None` if that is not known.
    pub(super) since: Option<DateTime<Utc>>,
    /// Whether it fails without progress. What waits for a person, or for the base, does not.
    pub(super) timed: bool,
    /// What is to be run again.
    pub(super) rerun: Option<RerunOf>,
    /// Whether the branch needs the newest base for it to pass.
    pub(super) needs_base: bool,
    /// Why its reports cannot be read.
    pub(super) unreadable: Option<String>,
}

/// A check whose reports cannot be read. That it was never reported is not known, so no deadline runs.
pub(super) fn unreadable(why: String) -> Standing {
    let detail = format!("cannot be read: {why}");
    Standing { timed: false, unreadable: Some(why), ..Standing::plain(CheckState::Missing, detail) }
}

/// A check that was not reported, or not by whom it is bound to.
pub(super) fn unreported(facts: &Facts, detail: String) -> Standing {
    for run in facts.ci.iter().flat_map(newest_workflow_runs) {
        match (run.conclusion, &facts.ci) {
            (Some(Conclusion::ActionRequired), _) => {
                let detail = format!("{detail}: workflow {} waits for a person at {}", run.name, run.url);
                return Standing { timed: false, ..Standing::plain(CheckState::Running, detail) };
            }
            (Some(Conclusion::StartupFailure), Some(ci)) => {
                let word = format!("{detail}: workflow {} could not start", run.name);
                return Standing { url: Some(run.url.clone()), ..rerun::of_workflow(ci, run, &word) };
            }
            _ => {}
        }
    }
    // While anything on the head moves, the check may still come: jobs are reported when their turn comes.
    let since = facts.ci.as_ref().map(|_| progress::last_movement(facts));
    Standing { since, ..Standing::plain(CheckState::Missing, detail) }
}

fn newest_workflow_runs(ci: &Ci) -> Vec<&WorkflowRun> {
    let mut newest: BTreeMap<u64, &WorkflowRun> = BTreeMap::new();
    for run in &ci.workflow_runs {
        let known = newest.entry(run.workflow).or_insert(run);
        if run.id > known.id {
            *known = run;
        }
    }
    newest.into_values().collect()
}

pub(super) fn of_run(facts: &Facts, run: &CheckFact, check: &CheckDemand) -> Standing {
    let standing = match (run.status, run.conclusion) {
        (CheckStatus::Queued, _) => Standing::plain(CheckState::Running, "queued"),
        (CheckStatus::InProgress, _) => Standing::plain(CheckState::Running, "in progress"),
        (CheckStatus::Pending, _) => Standing::plain(CheckState::Running, "pending"),
        (CheckStatus::Waiting, _) => waits_for_a_person(run),
        (CheckStatus::Completed, Some(conclusion)) => concluded(facts, run, conclusion, check),
        (CheckStatus::Completed, None) => {
            Standing::plain(CheckState::Failed, "completed without a conclusion")
        }
    };
    Standing {
        url: standing.url.or_else(|| run.url.clone()),
        run: Some(run.id),
        since: standing.since.or(run.since),
        ..standing
    }
}

fn concluded(facts: &Facts, run: &CheckFact, conclusion: Conclusion, check: &CheckDemand) -> Standing {
    // If evidence is demanded, neither `neutral` nor `skipped` is evidence.
    let evidence = check.name == EVIDENCE_CHECK;
    match (conclusion, &facts.ci) {
        (Conclusion::Success, _) => Standing::plain(CheckState::Passed, "success"),
        (Conclusion::Neutral, _) if run.ours && !evidence => {
            Standing::plain(CheckState::Passed, "neutral, from our own app")
        }
        (Conclusion::Skipped, _) if check.skipped_counts && !evidence => {
            Standing::plain(CheckState::Passed, "skipped, which the policy accepts")
        }
        (Conclusion::Neutral, _) => Standing::plain(CheckState::Failed, "neutral, which is not success"),
        (Conclusion::Skipped, _) => Standing::plain(CheckState::Failed, "skipped, which is not success"),
        (Conclusion::ActionRequired, Some(_)) => waits_for_a_person(run),
        (Conclusion::ActionRequired, None) => Standing::plain(CheckState::Failed, "action required"),
        (Conclusion::Failure, _) => red(facts, &run.name, "failure", |base| is_red(base, run)),
        (infrastructure, Some(ci)) if infrastructure.is_infrastructure() => {
            rerun::of_run(ci, run, word(infrastructure))
        }
        (conclusion, _) => {
            let fixable = conclusion == Conclusion::TimedOut;
            Standing { fixable, ..Standing::plain(CheckState::Failed, word(conclusion)) }
        }
    }
}

const fn word(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Success => "success",
        Conclusion::Failure => "failure",
        Conclusion::Neutral => "neutral",
        Conclusion::Skipped => "skipped",
        Conclusion::Cancelled => "cancelled",
        Conclusion::TimedOut => "timed out",
        Conclusion::ActionRequired => "action required",
        Conclusion::Stale => "stale",
        Conclusion::StartupFailure => "could not start",
        Conclusion::Unknown => "an unknown conclusion",
    }
}

fn waits_for_a_person(run: &CheckFact) -> Standing {
    let at = run.url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
    let detail = format!("waits for a person{at}");
    Standing { timed: false, ..Standing::plain(CheckState::Running, detail) }
}

pub(super) fn of_status(facts: &Facts, status: &CommitStatus) -> Standing {
    let standing = match status.state {
        StatusState::Success => Standing::plain(CheckState::Passed, "success"),
        StatusState::Pending => Standing::plain(CheckState::Running, "status pending"),
        StatusState::Failure => {
            red(facts, &status.context, "status failure", |base| is_status_red(base, status))
        }
        StatusState::Error => Standing::plain(CheckState::Failed, "status error"),
    };
    Standing { url: status.url.clone(), since: status.since, ..standing }
}

/// A check that found something wrong. What is red on the base too is not this change's: no change of ours is
/// made for it. It waits until the base is green, and then for the base.
fn red(facts: &Facts, name: &str, word: &str, on: impl Fn(&BaseReports) -> bool) -> Standing {
    let failed = Standing { fixable: true, ..Standing::plain(CheckState::Failed, word) };
    let Some(base) = facts.ci.as_ref().map(|ci| &ci.base) else { return failed };
    let waiting = |detail: String| Standing { timed: false, ..Standing::plain(CheckState::Running, detail) };
    if on(base) {
        let at = base.commit.as_ref().map_or("", |commit| commit.short());
        return waiting(format!("{word}, and red on the base at {at} too: waits until the base is green"));
    }
    if !facts.up_to_date && base.red_before.iter().any(|red| red == name) {
        let detail = format!("{word}, as it was on the base, which is green now");
        return Standing { needs_base: true, ..waiting(detail) };
    }
    failed
}

fn is_red(base: &BaseReports, run: &CheckFact) -> bool {
    let same_place = |known: &&CheckFact| {
        let workflow = matches!((known.workflow, run.workflow), (Some(a), Some(b)) if a != b);
        known.name == run.name && known.app_id == run.app_id && !workflow
    };
    let newest = base.checks.iter().filter(same_place).max_by_key(|known| known.id);
    newest.is_some_and(|known| known.conclusion == Some(Conclusion::Failure))
}

fn is_status_red(base: &BaseReports, status: &CommitStatus) -> bool {
    let same = |known: &&CommitStatus| {
        known.context == status.context
            && match (&known.creator, &status.creator) {
                (Some(one), Some(other)) => one.is(other),
                (one, other) => one == other,
            }
    };
    let newest = base.statuses.iter().filter(same).max_by_key(|known| (known.id, known.updated_at));
    newest.is_some_and(|known| matches!(known.state, StatusState::Failure | StatusState::Error))
}

impl Standing {
    pub(super) fn plain(state: CheckState, detail: impl Into<String>) -> Self {
        Self {
            state,
            detail: detail.into(),
            url: None,
            run: None,
            fixable: false,
            since: None,
            timed: true,
            rerun: None,
            needs_base: false,
            unreadable: None,
        }
    }

    /// Failed, if nothing moved for this long.
    pub(super) fn unless_too_late(self, facts: &Facts, minutes: u32) -> Self {
        let since = self.since.unwrap_or(facts.head_since).max(facts.head_since);
        if !self.timed || facts.at - since < Duration::minutes(i64::from(minutes)) {
            return self;
        }
        let detail = match self.state {
            CheckState::Missing => format!("never reported: {} after {minutes} minutes", self.detail),
            CheckState::Running => format!("stopped moving: {} for {minutes} minutes", self.detail),
            CheckState::Itself | CheckState::NotApplicable | CheckState::Passed | CheckState::Failed => {
                return self;
            }
        };
        Self { state: CheckState::Failed, detail, fixable: false, rerun: None, ..self }
    }
}
