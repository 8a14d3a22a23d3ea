//! Failpoints: places right before and after each commit where a test makes the process die or the call fail.
//!
//! | point | where |
//! |---|---|
//! | `claim.before`, `claim.after` | before the statement of a claim is sent, and after it has committed |
//! | `intent.before`, `intent.after` | before the commit of an intent, and between the commit and the act |
//! | `observe.before`, `observe.after` | between the act and the commit of its result, and after the commit |
//! | `finish.before`, `finish.after` | before the commit of answers, their next jobs and notifications, and after the commit |
//!
//! Only builds with debug assertions have them; in a release build [`pass`] does nothing. The environment arms them:
//! `ASPORA_FAILPOINTS=claim.after:3:abort,finish.before:1:error` fails the third and the first pass. A mode is
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

/// Passes a point; aborts the process when it is armed with `abort` for this pass.
///
/// # Errors
/// A broken connection, when it is armed with `error`.
///
/// # Panics
/// When it is armed with `panic`.
pub fn pass(point: &'static str) -> Result<()> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let mode = armed::mode(point);
    if mode.is_some() {
        eprintln!("failpoint {point}");
    }
    match mode {
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

    struct Armed {
        point: String,
        nth: usize,
        mode: String,
        passed: AtomicUsize,
    }

    /// The mode that is armed for this pass of a point.
    pub(in crate::store) fn mode(point: &str) -> Option<&'static str> {
        static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();
        let armed = ARMED.get_or_init(|| read(&std::env::var("ASPORA_FAILPOINTS").unwrap_or_default()));
        armed
            .iter()
            .filter(|armed| armed.point == point)
            .find(|armed| armed.passed.fetch_add(1, Ordering::SeqCst) + 1 == armed.nth)
            .map(|armed| armed.mode.as_str())
    }

    fn read(text: &str) -> Vec<Armed> {
        let armed = |item: &str| {
            let [point, nth, mode] = item.split(':').collect::<Vec<_>>().try_into().ok()?;
            let (nth, passed) = (nth.parse().ok()?, AtomicUsize::new(0));
            Some(Armed { point: point.to_owned(), nth, mode: mode.to_owned(), passed })
        };
        text.split(',').filter_map(armed).collect()
    }
}
