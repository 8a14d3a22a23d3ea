//! Browser evidence as a fact, and what our own check says of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Conclusion, EVIDENCE_CHECK, Facts, Policy, checks, classify, contract::Ruling, required::demanded,
};
use crate::{
    evidence::{Demand, Evidence, Verified},
    requirement::ProductName,
};

/// The evidence that came to us for a head.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceFacts {
    /// The newest; `None` if none came.
    pub newest: Option<Captured>,
}

/// Evidence, and when it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// When it came.
    pub arrived_at: DateTime<Utc>,
    /// What was found in it.
    pub evidence: Evidence,
}

/// What our own evidence check says of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceReport {
    /// `None` while it is awaited.
    pub conclusion: Option<Conclusion>,
    /// One line.
    pub title: String,
    /// The evidence under what is demanded; `None` while it is awaited.
    pub verified: Option<Verified>,
}

/// What the policies demand of the evidence of a change; `None` where none is demanded, or no policy can be read.
#[must_use]
pub fn evidence_demand(facts: &Facts) -> Option<Demand> {
    demand_of(facts, &facts.contract().ruling().ok()?)
}

fn demand_of(facts: &Facts, ruling: &Ruling) -> Option<Demand> {
    let products = facts.products();
    let classification = classify::under(ruling, &facts.scope(&products), &facts.change);
    demanded(ruling, &products, &facts.whole_change(), &classification).1
}

/// What our own evidence check says; `None` where none is demanded, or where another reports it.
#[must_use]
pub fn evidence_report(facts: &Facts) -> Option<EvidenceReport> {
    let ruling = facts.contract().ruling().ok()?;
    let products = facts.products();
    let classification = classify::under(&ruling, &facts.scope(&products), &facts.change);
    let (demands, demand) = demanded(&ruling, &products, &facts.whole_change(), &classification);
    let (demand, ours) = (demand?, |check| checks::evidence_is_ours(facts, check));
    if !demands.checks.iter().filter(|check| check.name == EVIDENCE_CHECK).any(ours) {
        return None;
    }
    let verified = checks::verified_evidence(facts, &demand);
    let (conclusion, title) = match &verified {
        None => (None, checks::awaited_evidence(&demand)),
        Some(verified) if verified.holds() => (Some(Conclusion::Success), verified.sentence()),
        Some(verified) => (Some(Conclusion::Failure), verified.sentence()),
    };
    Some(EvidenceReport { conclusion, title, verified })
}

impl Policy {
    /// What one product, or every product, demands of evidence.
    #[must_use]
    pub fn evidence_demand(&self, product: Option<&ProductName>) -> Demand {
        let products: Vec<&ProductName> = match product {
            Some(name) => vec![name],
            None => self.products().collect(),
        };
        let mut demand = Demand::default();
        for rules in products.into_iter().filter_map(|name| self.evidence(name)) {
            demand.add(&rules.required_flows, &rules.assertion_checks);
        }
        demand
    }
}
