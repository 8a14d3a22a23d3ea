//! What a policy says of one product, as people read it.

use super::{Demands, Policy, Tier};
use crate::{merge_method::MergeMethod, requirement::ProductName};

/// What a policy says of one product. Beside it, the floor holds for every product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The tiers that the product's patterns or demands name, the strictest first.
    pub tiers: Vec<TierOutline>,
    /// A change of these paths must change a document too; empty: no change must.
    pub documented: Vec<String>,
    /// The documents that satisfy this.
    pub documents: Vec<String>,
    /// A change of these paths must bring evidence from a browser; empty: the tiers alone say.
    pub shown: Vec<String>,
    /// The flows that the evidence must cover.
    pub flows: Vec<String>,
    /// How pull requests are merged, if the policy says.
    pub merge_method: Option<MergeMethod>,
}

/// One tier of an [`Outline`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierOutline {
    /// The tier.
    pub tier: Tier,
    /// A change of a path that matches one of these is at least of this tier.
    pub patterns: Vec<String>,
    /// What is demanded before the merge: the tier's own demands, or those of the next stricter tier that has any.
    pub demands: Demands,
}

impl Policy {
    /// What it says of a product; `None` if it does not name the product, whose changes are then judged under all
    /// products.
    #[must_use]
    pub fn outline(&self, product: &ProductName) -> Option<Outline> {
        let rules = self.products.get(product)?;
        let patterns_of = |tier: Tier| {
            let texts = rules.patterns.texts().iter().zip(&rules.tiers);
            texts.filter(|(_, of)| **of == tier).map(|(text, _)| text.clone()).collect::<Vec<_>>()
        };
        let mut tiers = Vec::new();
        for tier in Tier::ALL.into_iter().rev() {
            let patterns = patterns_of(tier);
            if !patterns.is_empty() || rules.demands.contains_key(&tier) {
                tiers.push(TierOutline { tier, patterns, demands: rules.demands(tier).clone() });
            }
        }
        let evidence = rules.evidence.as_ref();
        Some(Outline {
            tiers,
            documented: self.docs.require.texts().to_vec(),
            documents: self.docs.files.texts().to_vec(),
            shown: evidence.map(|it| it.paths.texts().to_vec()).unwrap_or_default(),
            flows: evidence.map(|it| it.required_flows.clone()).unwrap_or_default(),
            merge_method: rules.merge_method,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"{ "version": "1", "products": { "shop": {
        "riskTierRules": { "high": ["api/**", "lib/*.py"], "low": ["**"] },
        "mergePolicy": {
            "critical": { "requiredChecks": ["risk-policy-gate", "CI"], "requiredApprovals": 2, "requiresHumanApproval": true },
            "low": { "requiredChecks": ["risk-policy-gate"], "requiredApprovals": 0, "requiresHumanApproval": false }
        } } } }"#;

    fn outline(name: &str) -> Option<Outline> {
        Policy::parse(POLICY.as_bytes()).unwrap().outline(&name.parse().unwrap())
    }

    #[test]
    fn tiers_come_strictest_first_with_their_patterns_and_what_they_demand() {
        let tiers = outline("shop").unwrap().tiers;
        let shape: Vec<_> =
            tiers.iter().map(|it| (it.tier, it.patterns.len(), it.demands.approvals)).collect();
        // `high` has no demands of its own: those of the next stricter tier hold.
        assert_eq!(shape, [(Tier::Critical, 0, 2), (Tier::High, 2, 2), (Tier::Low, 1, 0)]);
    }

    #[test]
    fn a_product_that_the_policy_does_not_name_has_no_outline() {
        assert_eq!(outline("bakery"), None);
    }
}
