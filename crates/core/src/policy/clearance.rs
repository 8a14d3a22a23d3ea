//! The permission to merge one head SHA.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

use super::{CheckRow, Tier};
use crate::{merge_method::MergeMethod, sha::Sha};

/// Permission to merge one head SHA, made only by a [`judge`](super::judge) that finds nothing missing.
///
/// It holds what it rests on. It can be serialized but not deserialized: after a crash the recorded
/// [`Facts`](super::Facts) are judged again. Nothing outside the policy can make one, only read it:
///
/// ```
/// use aspora_core::{policy::{Clearance, Tier}, sha::Sha};
/// fn read(clearance: &Clearance) -> (&Sha, &Sha, Option<&str>, Tier) {
///     (clearance.head(), clearance.base(), clearance.policy_digest(), clearance.tier())
/// }
/// ```
///
/// Its fields are private, so that there is no literal of it:
///
/// ```compile_fail,E0451
/// use aspora_core::policy::Clearance;
/// fn forge(clearance: Clearance, head: aspora_core::sha::Sha) -> Clearance {
///     Clearance { head, ..clearance }
/// }
/// ```
///
/// Facts can be read back, and neither a clearance nor an assessment can:
///
/// ```
/// fn read(json: &str) -> aspora_core::policy::Facts {
///     serde_json::from_str(json).unwrap()
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn forge(json: &str) -> aspora_core::policy::Clearance {
///     serde_json::from_str(json).unwrap()
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn forge(json: &str) -> aspora_core::policy::Assessment {
///     serde_json::from_str(json).unwrap()
/// }
/// ```
///
/// No clearance is the only default:
///
/// ```
/// fn none() -> Option<aspora_core::policy::Clearance> {
///     Default::default()
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn forge() -> aspora_core::policy::Clearance {
///     Default::default()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clearance {
    pub(super) at: DateTime<Utc>,
    pub(super) head: Sha,
    pub(super) base: Sha,
    pub(super) policy_digest: Option<String>,
    pub(super) tier: Tier,
    pub(super) reviewed_at: Option<DateTime<Utc>>,
    pub(super) checks: Vec<CheckRow>,
    pub(super) approved_by: Vec<String>,
    pub(super) merge_method: Option<MergeMethod>,
}

impl Clearance {
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

    /// When the review of this head that it rests on was complete; `None` if neither tier nor workflow asks
    /// for one and there is none.
    #[must_use]
    pub const fn reviewed_at(&self) -> Option<DateTime<Utc>> {
        self.reviewed_at
    }

    /// The checks that it rests on, evidence and review included.
    #[must_use]
    pub fn checks(&self) -> &[CheckRow] {
        &self.checks
    }

    /// Whose approvals it rests on.
    #[must_use]
    pub fn approved_by(&self) -> &[String] {
        &self.approved_by
    }

    /// How the base's policy says that this product is merged, which counts over the product's own setting.
    #[must_use]
    pub const fn merge_method(&self) -> Option<MergeMethod> {
        self.merge_method
    }

    /// Whether its facts are older than this; then they must be gathered and judged again before a merge.
    #[must_use]
    pub fn is_older_than(&self, age: Duration, now: DateTime<Utc>) -> bool {
        now - self.at > age
    }
}
