//! The installation tokens of an App that are in use: one for each repository, minted once for all callers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::MutexGuard;

use super::Authorization;
use crate::github::permissions::Permissions;

/// A token is replaced this long before its end, so that no call and no push begins with one that ends meanwhile.
const MARGIN: Duration = Duration::from_secs(300);

/// One slot a repository; the slot stays locked while its token is minted.
#[derive(Default)]
pub(in crate::github) struct Tokens {
    slots: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Slot>>>>,
}

/// The token of one repository, if there is one.
pub(super) type Slot = Option<Minted>;

/// A token that GitHub gave us.
#[derive(Clone)]
pub(in crate::github) struct Minted {
    pub(super) token: SecretString,
    pub(super) account: Arc<str>,
    pub(super) at: Instant,
    /// From when on it is replaced.
    stale: Instant,
    /// What it may do.
    pub(in crate::github) permissions: Permissions,
    /// The installation that it belongs to.
    pub(in crate::github) installation: u64,
}

impl Tokens {
    /// The slot of a repository; `""` is that of calls about no repository.
    pub(super) fn slot(&self, repository: &str) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(repository.to_ascii_lowercase()).or_default())
    }

    /// Drops the token of a repository, whose permissions may have changed.
    pub(in crate::github) async fn forget(&self, repository: &str) {
        *self.slot(repository).lock().await = None;
    }

    /// Drops a token that GitHub refused, unless another caller has replaced it already.
    pub(super) async fn drop_refused(&self, repository: &str, refused: &Authorization) {
        let slot = self.slot(repository);
        let mut slot = slot.lock().await;
        let is_it = |minted: &Minted| minted.token.expose_secret() == refused.token.expose_secret();
        if slot.as_ref().is_some_and(is_it) {
            *slot = None;
        }
    }
}

/// How long a token is used that lives this long; the first half of its life, if that is under ten minutes.
fn used_for(lives: Duration) -> Duration {
    lives.saturating_sub(MARGIN.min(lives / 2))
}

impl Minted {
    pub(super) fn new(
        token: SecretString,
        installation: u64,
        lives: Duration,
        permissions: Permissions,
    ) -> Self {
        let at = Instant::now();
        let stale = at + used_for(lives);
        let account = format!("installation/{installation}").into();
        Self { token, account, at, stale, permissions, installation }
    }

    /// The token in this slot, if it can be used still.
    pub(super) fn fresh(slot: &MutexGuard<'_, Slot>) -> Option<Self> {
        slot.as_ref().filter(|minted| Instant::now() < minted.stale).cloned()
    }
}

impl From<Minted> for Authorization {
    fn from(minted: Minted) -> Self {
        Self { token: minted.token, account: minted.account, formerly: None, minted: Some(minted.at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_replaced_five_minutes_before_its_end() {
        let check = |lives: u64, used| {
            assert_eq!(used_for(Duration::from_secs(lives)).as_secs(), used, "{lives}");
        };
        check(3_600, 3_300);
        check(600, 300);
        check(4, 2);
        check(0, 0);
    }
}
