//! Whether the checks that a tier demands have succeeded on the head.

use std::collections::BTreeMap;

use super::{
    App, CheckDemand, CheckFact, CheckRow, CheckState, CheckStatus, CommitStatus, Conclusion, EVIDENCE_CHECK,
    Facts, GATE_CHECK, Node, REVIEW_CHECK, Remedy, StatusState, Wait, section::Section,
};
use crate::finding::tally;

/// The state of one check, before it becomes a row.
struct Standing {
    state: CheckState,
    detail: String,
    url: Option<String>,
    /// Whether a change of code could make it pass.
    fixable: bool,
}

/// Judges every demanded check; `evidence` says whether a user interface changed.
pub(super) fn judge(facts: &Facts, demands: &[CheckDemand], evidence: bool) -> (Section, Vec<CheckRow>) {
    let standings: Vec<(&CheckDemand, Standing)> =
        demands.iter().map(|check| (check, standing(facts, check, evidence))).collect();
    let mut section = Section::fine(Node::over("checks", "", Vec::new()));
    for (check, standing) in &standings {
        record(&mut section, facts, check, standing);
    }
    let rows: Vec<CheckRow> =
        standings.into_iter().map(|(check, standing)| row(facts, check, standing)).collect();
    section.node = node(&rows);
    (section, rows)
}

fn record(section: &mut Section, facts: &Facts, check: &CheckDemand, standing: &Standing) {
    let name = check.name.clone();
    match standing.state {
        CheckState::Running | CheckState::Missing => {
            section.waits.push(Wait::Check { name, progress: standing.detail.clone() });
        }
        // The findings of a review are reported in a section of their own.
        CheckState::Failed if check.name == REVIEW_CHECK && facts.review_of_head().is_some() => {}
        CheckState::Failed => {
            section.reasons.push(format!("check {name}: {}", standing.detail));
            if standing.fixable {
                section.remedies.push(Remedy::Check { name, url: standing.url.clone() });
            }
        }
        CheckState::Itself | CheckState::NotApplicable | CheckState::Passed => {}
    }
}

fn row(facts: &Facts, check: &CheckDemand, standing: Standing) -> CheckRow {
    let Standing { state, detail, url, .. } = standing;
    CheckRow { name: check.name.clone(), state, detail, sha: facts.head.clone(), url }
}

fn node(rows: &[CheckRow]) -> Node {
    let children = rows.iter().map(|row| Node::leaf(&row.name, row.state.status(), &row.detail)).collect();
    let counted = rows.iter().filter(|row| counts(row.state)).count();
    let passed = rows.iter().filter(|row| row.state == CheckState::Passed).count();
    Node::over("checks", format!("{passed} of {counted} checks have passed"), children)
}

/// Whether the verdict depends on the check.
pub(super) const fn counts(state: CheckState) -> bool {
    !matches!(state, CheckState::Itself | CheckState::NotApplicable)
}

fn standing(facts: &Facts, check: &CheckDemand, evidence: bool) -> Standing {
    let standing = match check.name.as_str() {
        GATE_CHECK => Standing::plain(CheckState::Itself, "is this gate, which does not wait for itself"),
        REVIEW_CHECK => review(facts),
        EVIDENCE_CHECK if !evidence => {
            Standing::plain(CheckState::NotApplicable, "not applicable: no user interface changed")
        }
        _ => reported(facts, check),
    };
    standing.unless_too_late(facts)
}

fn review(facts: &Facts) -> Standing {
    let Some(review) = facts.review_of_head() else {
        return Standing::plain(CheckState::Missing, "this head has not been reviewed");
    };
    if let Some(reason) = &review.failed {
        return Standing::plain(CheckState::Failed, format!("the review failed: {reason}"));
    }
    let open: Vec<_> = review.open().cloned().collect();
    let clean = review.holding(facts.rounds_left).next().is_none();
    Standing::plain(if clean { CheckState::Passed } else { CheckState::Failed }, tally(&open))
}

/// Check runs and commit statuses of one name: of each reporter's newest, the worst decides.
fn reported(facts: &Facts, check: &CheckDemand) -> Standing {
    let runs = newest_runs(facts, check);
    if runs.is_empty() && check.app.is_some() {
        return missing(facts, "not reported by its app");
    }
    let by_run = runs.into_iter().map(|run| of_run(run, check));
    let by_status = newest_status(facts, &check.name).into_iter().map(of_status);
    let worst = by_run.chain(by_status).max_by_key(|standing| standing.state);
    worst.unwrap_or_else(|| missing(facts, "not reported"))
}

/// A check of which we see no report; where we may not read check runs, that proves nothing.
fn missing(facts: &Facts, what: &str) -> Standing {
    match &facts.checks_unreadable {
        Some(why) => Standing::plain(CheckState::Missing, format!("not visible: {why}")),
        None => Standing::plain(CheckState::Missing, what),
    }
}

/// The newest run of each app by (start, number); a queued run is newer than any that has started.
fn newest_runs<'a>(facts: &'a Facts, check: &CheckDemand) -> Vec<&'a CheckFact> {
    let bound = |run: &&CheckFact| match &check.app {
        None => true,
        Some(App::Id(id)) => run.app_id == *id,
        Some(App::Slug(slug)) => run.app_slug == *slug,
    };
    let valid = |run: &&CheckFact| !run.started_at.is_some_and(|started| facts.is_void(started));
    let age = |run: &CheckFact| (run.started_at.is_none(), run.started_at, run.id);
    let mut newest: BTreeMap<u64, &CheckFact> = BTreeMap::new();
    for run in facts.checks.iter().filter(|run| run.name == check.name).filter(bound).filter(valid) {
        let known = newest.entry(run.app_id).or_insert(run);
        if age(run) > age(known) {
            *known = run;
        }
    }
    newest.into_values().collect()
}

fn newest_status<'a>(facts: &'a Facts, name: &str) -> Option<&'a CommitStatus> {
    let valid = |status: &&CommitStatus| status.context == name && !facts.is_void(status.updated_at);
    // Of two written at the same moment the worse counts, because the forge does not guarantee their order.
    facts.statuses.iter().filter(valid).max_by_key(|status| {
        (status.updated_at, matches!(status.state, StatusState::Failure | StatusState::Error))
    })
}

fn of_run(run: &CheckFact, check: &CheckDemand) -> Standing {
    let (state, detail) = match (run.status, run.conclusion) {
        (CheckStatus::Queued, _) => (CheckState::Running, "queued"),
        (CheckStatus::InProgress, _) => (CheckState::Running, "in progress"),
        (CheckStatus::Pending, _) => (CheckState::Running, "pending"),
        (CheckStatus::Completed, Some(conclusion)) => concluded(run, conclusion, check),
        (CheckStatus::Completed, None) => (CheckState::Failed, "completed without a conclusion"),
    };
    let fixable = matches!(run.conclusion, Some(Conclusion::Failure | Conclusion::TimedOut));
    Standing { state, detail: detail.to_owned(), url: run.url.clone(), fixable }
}

fn concluded(run: &CheckFact, conclusion: Conclusion, check: &CheckDemand) -> (CheckState, &'static str) {
    // If evidence is demanded, neither `neutral` nor `skipped` is evidence.
    let evidence = check.name == EVIDENCE_CHECK;
    match conclusion {
        Conclusion::Success => (CheckState::Passed, "success"),
        Conclusion::Neutral if run.ours && !evidence => (CheckState::Passed, "neutral, from our own app"),
        Conclusion::Skipped if check.skipped_counts && !evidence => {
            (CheckState::Passed, "skipped, which the policy accepts")
        }
        Conclusion::Neutral => (CheckState::Failed, "neutral, which is not success"),
        Conclusion::Skipped => (CheckState::Failed, "skipped, which is not success"),
        Conclusion::Failure => (CheckState::Failed, "failure"),
        Conclusion::Cancelled => (CheckState::Failed, "cancelled"),
        Conclusion::TimedOut => (CheckState::Failed, "timed out"),
        Conclusion::ActionRequired => (CheckState::Failed, "action required"),
        Conclusion::Stale => (CheckState::Failed, "stale"),
        Conclusion::Unknown => (CheckState::Failed, "an unknown conclusion"),
    }
}

fn of_status(status: &CommitStatus) -> Standing {
    let (state, detail, fixable) = match status.state {
        StatusState::Success => (CheckState::Passed, "success", false),
        StatusState::Pending => (CheckState::Running, "status pending", false),
        StatusState::Failure => (CheckState::Failed, "status failure", true),
        StatusState::Error => (CheckState::Failed, "status error", false),
    };
    Standing { state, detail: detail.to_owned(), url: status.url.clone(), fixable }
}

impl Standing {
    fn plain(state: CheckState, detail: impl Into<String>) -> Self {
        Self { state, detail: detail.into(), url: None, fixable: false }
    }

    fn unless_too_late(self, facts: &Facts) -> Self {
        if self.state == CheckState::Missing && facts.checks_unreadable.is_some() {
            return self;
        }
        let minutes = facts.check_deadline_minutes;
        let detail = match self.state {
            CheckState::Missing => format!("never reported: {} after {minutes} minutes", self.detail),
            CheckState::Running => {
                format!("never reported a conclusion: {} after {minutes} minutes", self.detail)
            }
            CheckState::Itself | CheckState::NotApplicable | CheckState::Passed | CheckState::Failed => {
                return self;
            }
        };
        if facts.deadline_is_over() { Self { state: CheckState::Failed, detail, ..self } } else { self }
    }
}
