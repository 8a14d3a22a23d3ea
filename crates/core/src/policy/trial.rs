//! What a policy says of a change that it has not judged: one that was merged, or one that is only thought of.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Classification, Contents, Contract, EVIDENCE_CHECK, Error, GATE_CHECK, Policy, Scope, Tier, classify,
    contract::Ruling, required::demanded,
};
use crate::{change::Change, requirement::ProductName};

/// A policy that is tried on changes of some products of one repository. The change is judged by this policy alone,
/// whatever it makes of the policy's own file.
#[derive(Debug, Clone)]
pub struct Trial {
    text: Option<String>,
    ruling: Ruling,
    products: Vec<ProductName>,
}

/// What a policy says of one change, before anybody has reviewed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// The tier.
    pub tier: Tier,
    /// What gave it the tier; `None` for an empty change.
    pub ground: Option<Ground>,
    /// The checks that it needs, without the gate's own.
    pub checks: Vec<String>,
    /// How many approvals it needs.
    pub approvals: u32,
    /// How many of them must be people's: a clean review by the Code Review Agent counts as one of the others.
    pub people: u32,
    /// What would have blocked it: paths whose documents were left behind.
    pub blocked: Option<String>,
    /// The product and pattern, or the rule, that decided for each of its paths.
    #[serde(skip)]
    pub(super) deciding: BTreeSet<(Option<ProductName>, String)>,
}

/// One reason for the tier of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// The path; `None` if it is about the change as a whole.
    pub path: Option<String>,
    /// The product whose pattern it is; `None` for a built-in rule.
    pub product: Option<ProductName>,
    /// The pattern, or the rule in words.
    pub rule: String,
}

impl Trial {
    /// A policy's text, `None` where the repository has none; the products are those that are registered to the
    /// repository, and an unknown one means all products of the policy.
    ///
    /// # Errors
    /// The first fault of the text.
    pub fn new(text: Option<&str>, products: &[ProductName]) -> Result<Self, Error> {
        if let Some(text) = text {
            // The text stands for itself: no side of a pull request is to be named in its error.
            Policy::parse(text.as_bytes())?;
        }
        let text = text.map(str::to_owned);
        let forks = [text.clone()];
        let contract = Contract { base: text.as_deref(), head: text.as_deref(), forks: &forks };
        let ruling = contract.ruling().map_err(|broken| broken.error)?;
        Ok(Self { ruling, products: products.to_vec(), text })
    }

    /// The policy; `None` where there is none.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        self.ruling.policies.first()
    }

    /// The products that changes are judged under.
    #[must_use]
    pub fn products(&self) -> &[ProductName] {
        &self.products
    }

    /// Whether a path is one of the documents that must change with others.
    #[must_use]
    pub fn is_document(&self, path: &str) -> bool {
        self.policy().is_some_and(|policy| policy.docs().files.is_match(path))
    }

    /// The tier of a change and why, as `aspora-risk-tier` prints it.
    #[must_use]
    pub fn classify(
        &self,
        change: &Change,
        contents: Option<&Contents>,
        diff_bytes: Option<u64>,
    ) -> Classification {
        let forks = [self.text.clone()];
        let contract = Contract { base: self.text.as_deref(), head: self.text.as_deref(), forks: &forks };
        let scope = Scope { contents, diff_bytes, ..Scope::new(contract, &self.products) };
        classify::under(&self.ruling, &scope, change)
    }

    /// What the policy says of a change that was placed by [`Trial::classify`].
    #[must_use]
    pub fn say(&self, change: &Change, classification: &Classification) -> Outlook {
        let (demands, evidence) = demanded(&self.ruling, &self.products, change, classification);
        let is_demanded = |name: &String| match name.as_str() {
            GATE_CHECK => false,
            EVIDENCE_CHECK => evidence.is_some(),
            _ => true,
        };
        let needed = demands.approvals_needed();
        let drift = self.policy().and_then(|policy| policy.docs().drift(change));
        Outlook {
            tier: classification.tier,
            ground: ground(classification),
            checks: demands.checks.into_iter().map(|check| check.name).filter(is_demanded).collect(),
            approvals: needed,
            people: if demands.human { needed } else { needed.saturating_sub(1) },
            blocked: drift.map(|drift| drift.sentence()),
            deciding: deciding(classification),
        }
    }

    /// What decides for one path that is changed, in the order of strictness, and on which line of the text: 0 for a
    /// built-in rule.
    #[must_use]
    pub fn explain(&self, change: &Change) -> Vec<(Ground, Tier, usize)> {
        let classification = self.classify(change, None, None);
        let mut explained = Vec::new();
        for path in &classification.paths {
            for reason in &path.reasons {
                let ground = Ground {
                    path: Some(path.path.clone()),
                    product: reason.product.clone(),
                    rule: reason.rule.clone(),
                };
                let line = self.line_of(&ground);
                explained.push((ground, reason.tier, line));
            }
        }
        explained
    }

    /// The line of the text on which a pattern is; 0 for a rule that is not in the text.
    #[must_use]
    pub fn line_of(&self, ground: &Ground) -> usize {
        let pointer = self.policy().and_then(|policy| policy.pointer_of(ground));
        let text = self.text.as_deref().unwrap_or_default();
        pointer.map_or(0, |pointer| super::line_of(text, &pointer))
    }
}

impl Ground {
    /// In words: the path, and the pattern or rule.
    #[must_use]
    pub fn sentence(&self) -> String {
        let of = self.product.as_ref().map_or(String::new(), |product| format!(" of {product}"));
        match (&self.path, &self.product) {
            (Some(path), Some(_)) => format!("{path:?} by `{}`{of}", self.rule),
            (Some(path), None) => format!("{path:?}: {}", self.rule),
            (None, _) => self.rule.clone(),
        }
    }
}

impl Outlook {
    /// What it asks of people, in words.
    #[must_use]
    pub fn asks(&self) -> String {
        use crate::words::counted;
        match (self.approvals, self.people) {
            (0, _) => "nobody".to_owned(),
            (all, people) if all == people => counted(people, "approval") + " by people",
            (1, _) => "a clean review or 1 approval".to_owned(),
            (_, people) => format!("a clean review and {} by people", counted(people, "approval")),
        }
    }
}

impl Policy {
    /// Where the pattern of a ground is in the policy's document, as a JSON pointer.
    fn pointer_of(&self, ground: &Ground) -> Option<String> {
        let rules = self.products.get(ground.product.as_ref()?)?;
        let text = ground.rule.strip_suffix(" (but for letter case)").unwrap_or(&ground.rule);
        let strictest = |&index: &usize| std::cmp::Reverse(rules.tiers[index]);
        let same = (0..rules.tiers.len()).filter(|&index| rules.patterns.text(index) == text);
        let index = same.min_by_key(strictest)?;
        let name = rules.name.as_str().replace('~', "~0").replace('/', "~1");
        Some(format!("/products/{name}{}", rules.pointer_of(index)))
    }
}

fn ground(classification: &Classification) -> Option<Ground> {
    let tier = classification.tier;
    let whole = classification.whole.iter().find(|reason| reason.tier == tier).map(|reason| (None, reason));
    let path = classification.paths.iter().find(|path| path.tier == tier);
    let path = path.map(|path| (Some(path.path.clone()), &path.reasons[0]));
    whole.or(path).map(|(path, reason)| Ground {
        path,
        product: reason.product.clone(),
        rule: reason.rule.clone(),
    })
}

fn deciding(classification: &Classification) -> BTreeSet<(Option<ProductName>, String)> {
    let reasons = classification.paths.iter().flat_map(|path| &path.reasons);
    let reasons = reasons.chain(&classification.whole);
    reasons.map(|reason| (reason.product.clone(), reason.rule.clone())).collect()
}
