//! The evidence check where no other app is named for it: what counts is the evidence that came to us.

use super::{
    CheckDemand, CheckState, Facts,
    standing::{self, Standing},
};
use crate::{
    evidence::{Demand, Fault, FaultOf, Verified},
    policy::EVIDENCE_CHECK,
};

/// The most faults that a row of the report quotes; the published check lists all.
const QUOTED: usize = 10;

/// Whether the check rests on evidence that comes to us: neither the policy nor the product names who reports it, and the
/// facts are of a release that takes evidence.
pub(in crate::policy) fn is_ours(facts: &Facts, check: &CheckDemand) -> bool {
    let is_named = facts.ci.as_ref().is_none_or(|ci| ci.evidence_app.is_some());
    check.name == EVIDENCE_CHECK
        && check.app.is_none()
        && check.status.is_none()
        && !is_named
        && facts.evidence.is_some()
}

/// The newest evidence of this head under what is demanded; none from before the head came back.
pub(in crate::policy) fn verified(facts: &Facts, demand: &Demand) -> Option<Verified> {
    let newest = facts.evidence.as_ref()?.newest.as_ref()?;
    (!facts.is_void(newest.arrived_at)).then(|| newest.evidence.under(demand))
}

/// How the check stands.
pub(super) fn standing(facts: &Facts, demand: &Demand) -> Standing {
    let published = facts.checks.iter().filter(|run| run.ours && run.name == EVIDENCE_CHECK);
    let published = published.max_by_key(|run| run.id);
    let standing = match verified(facts, demand) {
        None => standing::unreported(facts, awaited(demand)),
        Some(verified) if verified.holds() => Standing::plain(CheckState::Passed, verified.sentence()),
        Some(verified) if verified.is_of_the_product() => {
            let detail = sentences(&verified, FaultOf::Product);
            Standing { fixable: true, ..Standing::plain(CheckState::Failed, detail) }
        }
        // No change of code would make it hold: what came is not what was asked for.
        Some(verified) => {
            let detail = format!("{}; awaits new evidence", sentences(&verified, FaultOf::Capture));
            let since = facts.evidence.as_ref().and_then(|it| it.newest.as_ref()).map(|it| it.arrived_at);
            Standing { since, ..Standing::plain(CheckState::Running, detail) }
        }
    };
    Standing {
        url: standing.url.or_else(|| published.and_then(|run| run.url.clone())),
        run: standing.run.or_else(|| published.map(|run| run.id)),
        ..standing
    }
}

/// What is awaited, and how it comes.
pub(in crate::policy) fn awaited(demand: &Demand) -> String {
    let flows = match demand.required_flows.as_slice() {
        [] => String::new(),
        flows => format!(" of {}", flows.join(", ")),
    };
    format!("not captured here: evidence{flows} comes by `aspora evidence send` or POST /api/v1/evidence")
}

fn sentences(verified: &Verified, of: FaultOf) -> String {
    let faults = verified.faults();
    let texts: Vec<&str> =
        faults.iter().filter(|it| it.of == of).map(|it: &Fault| it.text.as_str()).collect();
    let more = texts.len().saturating_sub(QUOTED);
    let shown = texts[..texts.len() - more].join("; ");
    if more == 0 { shown } else { format!("{shown}; and {more} more") }
}
