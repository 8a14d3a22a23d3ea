//! How risky a change is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The risk of a change, in ascending order of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Tests, docs, and everything that no rule puts higher.
    Low,
    /// Needs a review.
    Medium,
    /// Needs evidence and an approval.
    High,
    /// Needs a person.
    Critical,
}

/// A text that is not a tier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a tier: critical, high, medium or low is needed")]
pub struct UnknownTier(String);

impl Tier {
    /// Every tier, the least strict first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name in policies and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Whether a change must be up to date with its base before it merges, whatever a policy says.
    #[must_use]
    pub const fn needs_up_to_date(self) -> bool {
        matches!(self, Self::High | Self::Critical)
    }
}

impl FromStr for Tier {
    type Err = UnknownTier;

    fn from_str(word: &str) -> Result<Self, UnknownTier> {
        let known = Self::ALL.into_iter().find(|tier| tier.as_str() == word);
        known.ok_or_else(|| UnknownTier(word.chars().take(40).collect()))
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_ordered_and_read_back() {
        assert!(Tier::ALL.is_sorted());
        for tier in Tier::ALL {
            assert_eq!(tier.to_string().parse(), Ok(tier));
        }
        assert!("Critical".parse::<Tier>().is_err());
    }
}
