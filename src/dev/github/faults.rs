//! Faults on demand: a rule says which request goes wrong, and how.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use globset::{GlobBuilder, GlobMatcher};

/// One fault that waits for its request.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Upper case; `*` for any.
    pub method: String,
    /// A glob over the path, such as `/repos/*/*/pulls`; `*` is one segment, `**` any number.
    pub path: String,
    /// Which matching request goes wrong, counted from 1; 0 for every one.
    pub nth: u32,
    /// How.
    pub mode: Mode,
}

/// How a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is done; this status is answered.
    ErrorBefore(u16),
    /// What was asked is done; this status is answered nevertheless.
    ApplyThenError(u16),
    /// What was asked is done; the connection is closed without an answer.
    ApplyThenCut,
    /// The request waits this long and is then served.
    Delay(Duration),
    /// Nothing is done; 403 of the secondary rate limit, with `Retry-After` in seconds.
    SecondaryLimit(u32),
    /// Nothing is done; 429, with `Retry-After` in seconds.
    TooMany(u32),
}

struct Armed {
    rule: Rule,
    path: GlobMatcher,
    seen: u32,
}

/// The rules in force.
#[derive(Default)]
pub(crate) struct Faults {
    armed: Mutex<Vec<Armed>>,
}

impl Faults {
    pub(crate) fn arm(&self, rule: Rule) -> anyhow::Result<()> {
        let path = GlobBuilder::new(&rule.path).literal_separator(true).build()?.compile_matcher();
        self.lock().push(Armed { rule, path, seen: 0 });
        Ok(())
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Counts the request at every rule it matches and answers with the first that strikes.
    pub(crate) fn strike(&self, method: &str, path: &str) -> Option<Mode> {
        let mut struck = None;
        for armed in self.lock().iter_mut() {
            if !matches!(&*armed.rule.method, "*") && armed.rule.method != method
                || !armed.path.is_match(path)
            {
                continue;
            }
            armed.seen += 1;
            let due = armed.rule.nth == 0 || armed.rule.nth == armed.seen;
            struck = struck.or(due.then_some(armed.rule.mode));
        }
        struck
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_strikes_at_its_nth_request_only() -> anyhow::Result<()> {
        let faults = Faults::default();
        let mode = Mode::ErrorBefore(502);
        faults.arm(Rule { method: "POST".into(), path: "/repos/*/*/pulls".into(), nth: 2, mode })?;
        let path = "/repos/acme/wealth/pulls";
        assert_eq!(faults.strike("POST", path), None);
        assert_eq!(faults.strike("GET", path), None);
        assert_eq!(faults.strike("POST", "/repos/acme/wealth/pulls/1/reviews"), None);
        assert_eq!(faults.strike("POST", path), Some(mode));
        assert_eq!(faults.strike("POST", path), None);
        Ok(())
    }
}
