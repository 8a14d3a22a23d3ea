//! What followed the merge of a run's change, as `aspora run show` prints it.

use std::fmt::Write as _;

use super::plain;
use crate::api::AfterMerge;

/// What followed a merge, a line for each thing; empty while the change is not merged.
pub(super) fn lines(after: &AfterMerge) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12} {}", plain(value));
    };
    if let Some(it) = &after.reverts {
        row("reverts", &format!("run {}: {}", it.run_id, it.reason));
    }
    if after.merged.is_none() {
        return text;
    }
    match &after.base {
        Some(base) => row("base", &base.sentence),
        None => row("base", "not watched after this merge"),
    }
    for it in &after.reverted_by {
        row(
            "reverted by",
            &format!("run {} ({}), asked for by {}: {}", it.run_id, it.state, it.asked_by, it.reason),
        );
    }
    if after.deployments.is_empty() {
        row("deployed", "no data: the forge has announced no deployment of this change");
    }
    for it in &after.deployments {
        row("deployed", &format!("{} ({})", it.sentence(), it.url));
    }
    text
}
