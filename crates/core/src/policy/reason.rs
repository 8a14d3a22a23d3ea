//! Why a change has its tier.

use serde::{Deserialize, Serialize};

use super::Tier;
use crate::requirement::ProductName;

/// One reason for a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The tier.
    pub tier: Tier,
    /// The pattern in the policy, or the rule in words.
    pub rule: String,
    /// The product whose pattern it is; `None` for the floor and other built-in rules.
    pub product: Option<ProductName>,
    /// Whether it also demands a person.
    pub human: bool,
}

impl Reason {
    pub(super) fn floor(tier: Tier, rule: impl Into<String>) -> Self {
        Self { tier, rule: rule.into(), product: None, human: false }
    }

    pub(super) fn of(product: &ProductName, tier: Tier, rule: &str) -> Self {
        Self { tier, rule: rule.to_owned(), product: Some(product.clone()), human: false }
    }
}
