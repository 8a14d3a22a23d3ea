//! The permission to merge one head SHA.

use serde::Serialize;

use super::Tier;
use crate::sha::Sha;

/// Permission to merge one head SHA, made only by a [`judge`](super::judge) that finds nothing missing.
///
/// It can be serialized but not deserialized: after a crash the recorded [`Facts`](super::Facts) are judged
/// again. Nothing outside the policy can make one:
///
/// ```compile_fail
/// use aspora_core::policy::{Clearance, Tier};
/// fn forge(head: aspora_core::sha::Sha) -> Clearance {
///     Clearance { base: head.clone(), head, policy_digest: None, tier: Tier::Low }
/// }
/// ```
///
/// ```compile_fail
/// fn forge(json: &str) -> aspora_core::policy::Clearance {
///     serde_json::from_str(json).unwrap()
/// }
/// ```
///
/// ```compile_fail
/// fn forge(json: &str) -> aspora_core::policy::Assessment {
///     serde_json::from_str(json).unwrap()
/// }
/// ```
///
/// ```compile_fail
/// fn forge() -> aspora_core::policy::Clearance {
///     Default::default()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clearance {
    head: Sha,
    base: Sha,
    policy_digest: Option<String>,
    tier: Tier,
}

impl Clearance {
    /// Called only by `judge`, and only if its decision is `Clear`.
    pub(super) const fn new(head: Sha, base: Sha, policy_digest: Option<String>, tier: Tier) -> Self {
        Self { head, base, policy_digest, tier }
    }

    /// The only head that may be merged.
    #[must_use]
    pub const fn head(&self) -> &Sha {
        &self.head
    }

    /// The newest commit of the base branch when it was judged.
    #[must_use]
    pub const fn base(&self) -> &Sha {
        &self.base
    }

    /// SHA-256 of the policy that decided, in hexadecimal; `None` if the base has no policy.
    #[must_use]
    pub fn policy_digest(&self) -> Option<&str> {
        self.policy_digest.as_deref()
    }

    /// The tier that was judged.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.tier
    }
}
