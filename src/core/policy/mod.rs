//! (being built)

use serde::{Deserialize, Serialize};

use crate::core::sha::Sha;

/// How risky a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The lowest.
    Low,
    /// Above low.
    Medium,
    /// Above medium.
    High,
    /// The highest.
    Critical,
}

/// Leave to merge one head into one base; only the policy can make one.
#[derive(Debug)]
pub struct Clearance {
    head: Sha,
    base: Sha,
}

impl Clearance {
    /// The head that was judged.
    #[must_use]
    pub const fn head(&self) -> &Sha {
        &self.head
    }

    /// The base it was judged against.
    #[must_use]
    pub const fn base(&self) -> &Sha {
        &self.base
    }
}
