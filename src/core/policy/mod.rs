//! (being built)

use serde::{Deserialize, Serialize};

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
