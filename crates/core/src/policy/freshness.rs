//! Whether the branch must hold the newest commit of the base before it can be judged for the merge.

use super::{Demands, Facts, Node, Status, contract::Ruling, section::Section};

/// The section, and whether the branch must be updated first.
pub(super) fn judge(ruling: &Ruling, facts: &Facts, demands: &Demands) -> (Section, bool) {
    let conflicts = facts.merge.as_ref().map(|merge| merge.conflicts.as_slice()).unwrap_or_default();
    let (must_update, status, sentence) = if ruling.moved {
        (true, Status::Waiting, "the base's policy has moved; the branch must be updated".to_owned())
    } else if !facts.up_to_date && !conflicts.is_empty() {
        let paths: Vec<String> = conflicts.iter().take(5).map(|path| format!("{path:?}")).collect();
        (
            true,
            Status::Waiting,
            format!("the base conflicts in {}; the branch must be updated", paths.join(", ")),
        )
    } else if facts.up_to_date {
        (false, Status::Satisfied, "holds the newest commit of the base".to_owned())
    } else if demands.up_to_date {
        (true, Status::Waiting, "the base has moved; the branch must be updated".to_owned())
    } else {
        (false, Status::NotApplicable, "the base has moved, which this tier allows".to_owned())
    };
    (Section::fine(Node::leaf("up to date", status, sentence)), must_update)
}
