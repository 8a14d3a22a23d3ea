//! The list of `aspora run tests`.

use std::fmt::Write as _;

use super::plain;
use crate::{api::TestRun, cli::text::short};

/// Each run of the tests in a line, and the output of those that did not pass.
pub(super) fn listed(all: &[TestRun]) -> String {
    if all.is_empty() {
        return "No tests were run for it.".to_owned();
    }
    let mut text = String::new();
    for run in all {
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "{}  {}: {}, in {:.1} s ({})",
            short(&run.commit),
            run.what(),
            plain(&run.sentence),
            run.seconds,
            plain(&run.command.join(" "))
        );
        if !run.is_clean() {
            for line in run.red_log().lines() {
                let _ = writeln!(text, "    {}", plain(line));
            }
        }
    }
    text
}
