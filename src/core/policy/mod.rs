//! (being built)

use crate::core::sha::Sha;

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
