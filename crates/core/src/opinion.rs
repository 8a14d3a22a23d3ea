//! What a person says of a head through Aspora, under the rules of a review on the forge.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::ApprovalState;

/// What a person says of a head. The latest of a person counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    /// It may be merged.
    Approve,
    /// It may not be merged: this blocks at every tier, on later heads too, until the person withdraws it or approves.
    Reject,
    /// Neither: the person takes back what they said.
    Withdraw,
}

impl Opinion {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Approve, Self::Reject, Self::Withdraw];

    /// Its name in routes, tables and commands.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Withdraw => "withdraw",
        }
    }

    /// What the person did, for histories.
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Reject => "rejected",
            Self::Withdraw => "withdrew what was said of",
        }
    }

    /// The opinion with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|opinion| opinion.as_str() == name)
    }

    /// The state of a review that says the same.
    #[must_use]
    pub const fn state(self) -> ApprovalState {
        match self {
            Self::Approve => ApprovalState::Approved,
            Self::Reject => ApprovalState::ChangesRequested,
            Self::Withdraw => ApprovalState::Dismissed,
        }
    }
}

impl fmt::Display for Opinion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_name() {
        for opinion in Opinion::ALL {
            assert_eq!(Opinion::named(opinion.as_str()), Some(opinion));
            assert_eq!(serde_json::to_value(opinion).unwrap(), opinion.as_str());
        }
        assert_eq!(Opinion::named("approved"), None);
    }
}
