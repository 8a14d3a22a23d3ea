//! Whether the checks that a tier demands have succeeded on the head.

mod binding;
mod evidence;
mod place;
mod progress;
mod rerun;
mod standing;

pub(super) use self::{
    evidence::{awaited as awaited_evidence, is_ours as evidence_is_ours, verified as verified_evidence},
    standing::Standing,
};
pub use self::{progress::remember, rerun::RerunOf};

use self::binding::Binding;
use super::{
    CheckDemand, CheckRow, CheckState, Demands, EVIDENCE_CHECK, Facts, GATE_CHECK, Node, REVIEW_CHECK,
    Remedy, Wait, section::Section,
};
use crate::{evidence::Demand, finding::tally};

/// Judges every demanded check; `evidence` says what evidence is demanded, if a user interface changed.
pub(super) fn judge(facts: &Facts, demands: &Demands, evidence: Option<&Demand>) -> (Section, Vec<CheckRow>) {
    let minutes = demands.deadline_minutes.unwrap_or(facts.check_deadline_minutes);
    let judged = |check| (check, standing(facts, check, evidence).unless_too_late(facts, minutes));
    let standings: Vec<(&CheckDemand, Standing)> = demands.checks.iter().map(judged).collect();
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
        CheckState::Missing if standing.unreadable.is_some() => {
            let why = standing.unreadable.clone().unwrap_or_default();
            section.waits.push(Wait::Unreadable { name, why });
        }
        CheckState::Running | CheckState::Missing => {
            section.waits.push(Wait::Check { name, progress: standing.detail.clone() });
        }
        // The findings of a review are reported in a section of their own.
        CheckState::Failed if check.name == REVIEW_CHECK && facts.review_of_head().is_some() => {}
        CheckState::Failed => {
            section.reasons.push(format!("check {name}: {}", standing.detail));
            if standing.fixable {
                let (url, run) = (standing.url.clone(), standing.run);
                section.remedies.push(Remedy::Check { name, url, run });
            }
        }
        CheckState::Itself | CheckState::NotApplicable | CheckState::Passed => {}
    }
}

fn row(facts: &Facts, check: &CheckDemand, standing: Standing) -> CheckRow {
    let unbound = counts(standing.state)
        && check.name != REVIEW_CHECK
        && !evidence::is_ours(facts, check)
        && matches!(Binding::of(facts, check), Binding::Unbound);
    CheckRow {
        name: check.name.clone(),
        state: standing.state,
        detail: standing.detail,
        sha: facts.head.clone(),
        demanded_by: check.by.clone(),
        url: standing.url,
        since: standing.since,
        unbound,
        rerun: standing.rerun,
        needs_base: standing.needs_base,
    }
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

fn standing(facts: &Facts, check: &CheckDemand, evidence: Option<&Demand>) -> Standing {
    match check.name.as_str() {
        GATE_CHECK => Standing::plain(CheckState::Itself, "is this gate, which does not wait for itself"),
        REVIEW_CHECK => review(facts),
        EVIDENCE_CHECK => match evidence {
            None => Standing::plain(CheckState::NotApplicable, "not applicable: no user interface changed"),
            Some(demand) if evidence::is_ours(facts, check) => evidence::standing(facts, demand),
            Some(_) => reported(facts, check),
        },
        _ => reported(facts, check),
    }
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

/// What the forge reports under the check's name: of every place the newest counts, and the worst decides.
/// Those that the check is bound to must be among the reporters.
fn reported(facts: &Facts, check: &CheckDemand) -> Standing {
    let binding = Binding::of(facts, check);
    let runs = place::newest_runs(facts, &check.name, |run| binding.admits(run));
    let statuses = place::newest_statuses(facts, &check.name);
    let missing = binding.missing(facts, &runs, &statuses).map(|detail| match binding.unreadable(facts) {
        Some(why) => standing::unreadable(why),
        None => standing::unreported(facts, detail),
    });
    let by_run = runs.iter().map(|run| standing::of_run(facts, run, check));
    let by_status = statuses.iter().map(|status| standing::of_status(facts, status));
    let all = missing.into_iter().chain(by_run).chain(by_status);
    let worst = all.max_by_key(|standing| (standing.state, standing.fixable));
    worst.unwrap_or_else(|| standing::unreported(facts, "not reported".to_owned()))
}
