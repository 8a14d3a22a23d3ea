//! Faults on demand: a rule selects a request and says how it fails.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use globset::{GlobBuilder, GlobMatcher};

/// A fault, and the request that it is for.
#[derive(Debug, Clone)]
pub struct FaultRule {
    /// Upper case; `*` for any.
    pub method: String,
    /// A glob over the path, such as `/repos/*/*/pulls`; `*` is one segment, `**` any number.
    pub path: String,
    /// Which matching request fails, counted from 1; 0 for every one.
    pub nth: u32,
    /// How it fails.
    pub fault: Fault,
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request is not done, and answered with this status.
    ErrorBefore(u16),
    /// The request is done, but answered with this status.
    ApplyThenError(u16),
    /// The request is done, and the connection is closed without an answer.
    ApplyThenCut,
    /// The request waits this long and is then served.
    Delay(Duration),
    /// The request is not done, and answered with the 403 of the secondary rate limit and `Retry-After` in seconds.
    SecondaryLimit(u32),
    /// The request is not done, and answered with 429 and `Retry-After` in seconds.
    TooMany(u32),
    /// A list is answered as it was when the same page was last read, or empty.
    StaleList,
}

struct Armed {
    rule: FaultRule,
    path: GlobMatcher,
    /// How many requests have matched so far.
    seen: u32,
}

/// The rules in force.
#[derive(Default)]
pub(crate) struct Faults {
    armed: Mutex<Vec<Armed>>,
}

impl Faults {
    pub(crate) fn add(&self, rule: FaultRule) -> anyhow::Result<()> {
        let path = GlobBuilder::new(&rule.path).literal_separator(true).build()?.compile_matcher();
        self.lock().push(Armed { rule, path, seen: 0 });
        Ok(())
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Counts a request at every rule that matches it; the first fault that is due.
    pub(crate) fn due(&self, method: &str, path: &str) -> Option<Fault> {
        let mut due = None;
        for armed in self.lock().iter_mut().filter(|armed| armed.matches(method, path)) {
            armed.seen += 1;
            if armed.rule.nth == 0 || armed.rule.nth == armed.seen {
                due = due.or(Some(armed.rule.fault));
            }
        }
        due
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Armed {
    fn matches(&self, method: &str, path: &str) -> bool {
        (self.rule.method == "*" || self.rule.method == method) && self.path.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_due_at_its_nth_request_only() -> anyhow::Result<()> {
        let faults = Faults::default();
        let fault = Fault::ErrorBefore(502);
        faults.add(FaultRule { method: "POST".into(), path: "/repos/*/*/pulls".into(), nth: 2, fault })?;
        let path = "/repos/acme/wealth/pulls";
        assert_eq!(faults.due("POST", path), None);
        assert_eq!(faults.due("GET", path), None);
        assert_eq!(faults.due("POST", "/repos/acme/wealth/pulls/1/reviews"), None);
        assert_eq!(faults.due("POST", path), Some(fault));
        assert_eq!(faults.due("POST", path), None);
        Ok(())
    }
}
