//! The twin's clock, which tests move.

use std::sync::atomic::{AtomicI64, Ordering};

/// Tokens and JWTs end by it, and the list of deliveries forgets by it.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// How far it is ahead of the machine's, in milliseconds.
    ahead: AtomicI64,
}

impl Clock {
    /// In milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        chrono::Utc::now().timestamp_millis() + self.ahead.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, millis: i64) {
        self.ahead.fetch_add(millis, Ordering::SeqCst);
    }
}
