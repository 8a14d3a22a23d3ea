//! The rules of a policy document, `.aspora/risk-policy.json`, once it is parsed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Demands, Tier};
use crate::{glob::Patterns, merge_method::MergeMethod, requirement::ProductName, reviewer::Setting};

/// A risk policy that has passed its checks.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(super) digest: String,
    pub(super) products: BTreeMap<ProductName, ProductRules>,
    pub(super) docs: DocsRules,
    pub(super) harness_gaps: Vec<HarnessGapRule>,
    pub(super) warnings: Vec<String>,
    /// The JSON pointer of what each warning is about.
    pub(super) warned_at: Vec<String>,
}

/// What a policy says about one product.
#[derive(Debug, Clone)]
pub(super) struct ProductRules {
    pub(super) name: ProductName,
    pub(super) patterns: Patterns,
    /// The tier of each pattern.
    pub(super) tiers: Vec<Tier>,
    pub(super) demands: BTreeMap<Tier, Demands>,
    pub(super) evidence: Option<EvidenceRules>,
    pub(super) merge_method: Option<MergeMethod>,
    pub(super) reviewers: Option<Vec<Setting>>,
}

/// Which documents must change with which paths.
#[derive(Debug, Clone)]
pub struct DocsRules {
    pub(super) require: Patterns,
    pub(super) files: Patterns,
}

/// What evidence a change of the user interface needs.
#[derive(Debug, Clone)]
pub struct EvidenceRules {
    pub(super) paths: Patterns,
    /// The flows that a manifest must cover.
    pub required_flows: Vec<String>,
    /// The assertions that every manifest must contain as passed.
    pub assertion_checks: Vec<String>,
}

/// How soon an incident of one kind must have a harness case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HarnessGapRule {
    /// The kind of incident, such as `productionIncident`.
    pub kind: String,
    /// The longest time from the incident to the merged harness case, in minutes.
    pub limit_minutes: u32,
    /// The issue label that opens a gap.
    pub label: String,
}

impl Policy {
    /// SHA-256 of the document's bytes, in hexadecimal; records identify the policy by it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Warnings about what is odd but works, for people.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The same, each with the JSON pointer of what it is about and without it in its text.
    pub fn placed_warnings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.warned_at.iter().zip(&self.warnings).map(|(pointer, warning)| {
            let plain = warning.strip_prefix(pointer.as_str()).and_then(|rest| rest.strip_prefix(": "));
            (pointer.as_str(), plain.unwrap_or(warning))
        })
    }

    /// The products of the policy.
    pub fn products(&self) -> impl Iterator<Item = &ProductName> {
        self.products.keys()
    }

    /// The rules about documents.
    #[must_use]
    pub const fn docs(&self) -> &DocsRules {
        &self.docs
    }

    /// What a tier of one product demands; `None` for an unknown product.
    #[must_use]
    pub fn demands(&self, product: &ProductName, tier: Tier) -> Option<&Demands> {
        self.products.get(product).map(|rules| rules.demands(tier))
    }

    /// What evidence one product needs.
    #[must_use]
    pub fn evidence(&self, product: &ProductName) -> Option<&EvidenceRules> {
        self.products.get(product)?.evidence.as_ref()
    }

    /// How one product's pull requests are merged, if the policy says so: `products.NAME.mergeMethod`.
    #[must_use]
    pub fn merge_method(&self, product: &ProductName) -> Option<MergeMethod> {
        self.products.get(product)?.merge_method
    }

    /// Who reviews one product's pull requests, if the policy says so: `products.NAME.reviewers`.
    #[must_use]
    pub fn reviewers(&self, product: &ProductName) -> Option<&[Setting]> {
        self.products.get(product)?.reviewers.as_deref()
    }

    /// How soon incidents must have harness cases.
    #[must_use]
    pub fn harness_gaps(&self) -> &[HarnessGapRule] {
        &self.harness_gaps
    }

    /// The rules of the named products, or of all products if one name is unknown.
    pub(super) fn of(&self, products: &[ProductName]) -> Vec<&ProductRules> {
        let named: Option<Vec<_>> = products.iter().map(|name| self.products.get(name)).collect();
        match named {
            Some(rules) if !rules.is_empty() => rules,
            _ => self.products.values().collect(),
        }
    }
}

impl ProductRules {
    /// Where in the product's rules a pattern is, as a JSON pointer.
    pub(super) fn pointer_of(&self, index: usize) -> String {
        let tier = self.tiers[index];
        let at = self.tiers[..index].iter().filter(|it| **it == tier).count();
        format!("/riskTierRules/{tier}/{at}")
    }

    /// The tier whose entry of `mergePolicy` holds for a tier: the next stricter one that has any.
    pub(super) fn stated_tier(&self, tier: Tier) -> Tier {
        self.demands.range(tier..).next().map_or(tier, |(tier, _)| *tier)
    }

    /// The demands of a tier, each with the rule that it comes from.
    pub(super) fn stated_demands(&self, tier: Tier) -> Demands {
        let stated = self.stated_tier(tier);
        self.demands(tier).clone().stated(&format!("mergePolicy.{stated} of {}", self.name))
    }

    /// The demands of a tier, or of the next stricter tier that has any.
    pub(super) fn demands(&self, tier: Tier) -> &Demands {
        let stricter = self.demands.range(tier..).next();
        stricter.map(|(_, demands)| demands).expect("a policy without demands for critical was refused")
    }
}
