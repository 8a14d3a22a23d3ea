//! What a change requires, which is known before anything is reported of its head.

use serde::Serialize;

use super::{
    CheckDemand, Classification, Demands, Drift, EVIDENCE_CHECK, Error, REVIEW_CHECK, Scope, classify,
    contract::Ruling,
    rules::{EvidenceRules, ProductRules},
};
use crate::{change::Change, evidence::Demand, requirement::ProductName};

/// What a change requires for its merge, under the policies that apply to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Required {
    /// What its tier demands, and what the floor adds.
    pub demands: Demands,
    /// Whether the review of the head is among the checks.
    pub review: bool,
    /// Whether evidence of the user interface must be captured; the check may be listed without that.
    pub evidence: bool,
    /// Documents that must change with it and do not, one for each policy that says so.
    pub drifts: Vec<Drift>,
}

/// Places a change and says what it requires.
///
/// # Errors
/// The [`Error`] of a policy that does not parse; such a change is blocked.
pub fn required(scope: &Scope<'_>, change: &Change) -> Result<(Classification, Required), Error> {
    let ruling = scope.contract.ruling().map_err(|broken| broken.error)?;
    let classification = classify::under(&ruling, scope, change);
    let beyond = scope.merge.iter().flat_map(|merge| &merge.beyond.files);
    let whole = Change { files: change.files.iter().chain(beyond).cloned().collect() };
    let (demands, evidence) = demanded(&ruling, scope.products, &whole, &classification);
    let review = demands.lists(REVIEW_CHECK);
    let drifts = drifts(&ruling, &whole);
    Ok((classification, Required { demands, review, evidence: evidence.is_some(), drifts }))
}

/// What every policy demands of every product, together, and of evidence, if it is among it.
pub(super) fn demanded(
    ruling: &Ruling,
    products: &[ProductName],
    change: &Change,
    classification: &Classification,
) -> (Demands, Option<Demand>) {
    let rules = || ruling.policies.iter().flat_map(|policy| policy.of(products));
    let tier = classification.tier;
    let without = (ruling.missing.is_some() || ruling.policies.is_empty()).then(Demands::without_a_policy);
    let each = without.into_iter().chain(rules().map(|rules| rules.stated_demands(tier)));
    let mut demands = each.reduce(Demands::and).unwrap_or_else(Demands::without_a_policy);
    let touched = |rules: &EvidenceRules| {
        let mut paths = change.files.iter().map(|file| file.path.as_str());
        paths.find(|path| rules.paths.is_match(path)).map(str::to_owned)
    };
    // A product that lists the check and does not say where its interface is gets no exception.
    let interface = rules().find_map(|rules| rules.evidence.as_ref().and_then(touched));
    let is_listed =
        |rules: &ProductRules| rules.evidence.is_none() && rules.demands(tier).lists(EVIDENCE_CHECK);
    let evidence = (interface.is_some() || rules().any(is_listed)).then(|| {
        let shown = rules().filter_map(|rules| rules.evidence.as_ref()).filter(|it| touched(it).is_some());
        let mut demand = Demand::default();
        shown.for_each(|it| demand.add(&it.required_flows, &it.assertion_checks));
        demand
    });
    if let Some(path) = interface {
        let by = vec![format!("a user interface changed: {path}")];
        match demands.checks.iter_mut().rfind(|check| check.name == EVIDENCE_CHECK) {
            Some(listed) => listed.by.extend(by),
            None => demands.demand(CheckDemand { by, ..CheckDemand::named(EVIDENCE_CHECK) }),
        }
    }
    (demands.floored(tier, classification.needs_human), evidence)
}

/// The drift under each policy; the same one counts once.
pub(super) fn drifts(ruling: &Ruling, change: &Change) -> Vec<Drift> {
    let mut drifts: Vec<_> =
        ruling.policies.iter().filter_map(|policy| policy.docs().drift(change)).collect();
    drifts.dedup();
    drifts
}

#[cfg(test)]
mod tests {
    use super::super::{
        Contract,
        tests::{SEED, change},
    };
    use super::*;

    #[track_caller]
    fn check(paths: &[&str], product: &str, checks: &[&str], expected: (u32, bool, bool, bool, usize)) {
        let contract = Contract { base: Some(SEED), head: Some(SEED), forks: &[] };
        let products = [product.parse().unwrap()];
        let (_, required) = required(&Scope::new(contract, &products), &change(paths)).unwrap();
        let names: Vec<&str> = required.demands.checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, checks);
        let needed = required.demands.approvals_needed();
        let found =
            (needed, required.demands.human, required.review, required.evidence, required.drifts.len());
        assert_eq!(found, expected, "approvals, by people, review, evidence, drifts");
    }

    const LOW: [&str; 2] = ["risk-policy-gate", "CI Pipeline"];

    #[test]
    fn a_tier_requires_what_the_contract_says() {
        check(&["tests/test_a.py"], "wealth", &LOW, (0, false, false, false, 0));
        let medium = ["risk-policy-gate", "Code Review Agent", "CI Pipeline"];
        check(&["channels/slack.py"], "wealth", &medium, (0, false, true, false, 0));
        check(
            &["services/remediation_x.py"],
            "ecm",
            &["risk-policy-gate", "harness-smoke", "Code Review Agent", "CI Pipeline"],
            (1, true, true, false, 0),
        );
    }

    #[test]
    fn evidence_follows_the_interface_and_documents_follow_the_api() {
        let low_with_evidence = ["risk-policy-gate", "CI Pipeline", "Browser Evidence"];
        check(&["frontend/app.tsx"], "wealth", &low_with_evidence, (0, false, false, true, 0));
        let high =
            ["risk-policy-gate", "harness-smoke", "Browser Evidence", "Code Review Agent", "CI Pipeline"];
        check(&["services/risk_a.py"], "wealth", &high, (1, false, true, false, 0));
        check(&["api/v1/risk_check.py"], "wealth", &high, (1, false, true, true, 1));
        check(&["api/v1/risk_check.py", "docs/API.md"], "wealth", &high, (1, false, true, true, 0));
    }

    #[test]
    fn the_floor_adds_a_person() {
        let (products, low) = (["wealth".parse().unwrap()], change(&["AGENTS.md"]));
        let contract = Contract { base: Some(SEED), head: Some(SEED), forks: &[] };
        let (classification, required) = required(&Scope::new(contract, &products), &low).unwrap();
        assert_eq!(classification.tier.as_str(), "critical");
        assert!(required.demands.human && required.demands.up_to_date);
    }
}
