//! Places where a test makes a process die or a call fail: right before and after whatever becomes durable.
//!
//! | point | where |
//! |---|---|
//! | `claim.before`, `claim.after` | a claim is one statement: before it is sent, and once it is committed |
//! | `intent.before`, `intent.after` | an act is written down before it is made: before the commit, and between it and the act |
//! | `observe.before`, `observe.after` | what came of the act: between the act's end and the commit, and after it |
//! | `finish.before`, `finish.after` | an answer, alone or in a group, with the job that follows and the notice of it: before the commit, and after it |
//!
//! Only builds with debug assertions have them; in a release [`pass`] is nothing. The environment arms them:
//! `ASPORA_FAILPOINTS=claim.after:3:abort,finish.before:1:error` strikes the third and the first pass. A mode is
//! `abort`, `panic` or `error`.

use crate::store::{Error, Result};

/// Every point.
pub const POINTS: [&str; 8] = [
    "claim.before",
    "claim.after",
    "intent.before",
    "intent.after",
    "observe.before",
    "observe.after",
    "finish.before",
    "finish.after",
];

/// Passes a point, unless it is armed for this pass.
///
/// # Errors
/// A broken connection, if that is what is armed.
///
/// # Panics
/// If that is what is armed.
pub fn pass(point: &'static str) -> Result<()> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let strike = armed::strike(point);
    if strike.is_some() {
        eprintln!("failpoint {point}");
    }
    match strike {
        None => Ok(()),
        Some("error") => Err(Error::Io(std::io::Error::other(format!("failpoint {point}")))),
        Some("panic") => panic!("failpoint {point}"),
        Some(_) => std::process::abort(),
    }
}

mod armed {
    use std::sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    };

    struct Strike {
        point: String,
        nth: usize,
        mode: String,
        passed: AtomicUsize,
    }

    /// What is armed for this pass of a point.
    pub(in crate::store) fn strike(point: &str) -> Option<&'static str> {
        static ARMED: OnceLock<Vec<Strike>> = OnceLock::new();
        let armed = ARMED.get_or_init(|| read(&std::env::var("ASPORA_FAILPOINTS").unwrap_or_default()));
        armed
            .iter()
            .filter(|strike| strike.point == point)
            .find(|strike| strike.passed.fetch_add(1, Ordering::SeqCst) + 1 == strike.nth)
            .map(|strike| strike.mode.as_str())
    }

    fn read(words: &str) -> Vec<Strike> {
        let strike = |word: &str| {
            let [point, nth, mode] = word.split(':').collect::<Vec<_>>().try_into().ok()?;
            let (nth, passed) = (nth.parse().ok()?, AtomicUsize::new(0));
            Some(Strike { point: point.to_owned(), nth, mode: mode.to_owned(), passed })
        };
        words.split(',').filter_map(strike).collect()
    }
}
