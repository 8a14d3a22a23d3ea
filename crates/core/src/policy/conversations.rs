//! Open conversations on lines, where the base branch demands that all are resolved. Those of a bot alone about what was
//! fixed are resolved by us; the rest is people's, and the wait for it has a name.

use super::{Conversation, Facts, Node, Status, Wait, section::Section};
use crate::words::counted;

/// How many are named.
const SHOWN: usize = 20;

/// Judges the open conversations; `None` where the base branch does not demand that they are resolved.
pub(super) fn judge(facts: &Facts) -> Option<Section> {
    let open = facts.conversations.as_ref()?;
    if open.is_empty() {
        return Some(Section::fine(Node::leaf("conversations", Status::Satisfied, "all are resolved")));
    }
    let urls: Vec<String> = open.iter().map(|one| one.url.clone()).collect();
    let sentence = format!(
        "{}: `{}` demands that all are resolved",
        counted(u32::try_from(open.len()).unwrap_or(u32::MAX), "open conversation"),
        facts.base_branch
    );
    let mut section = Section::waiting("conversations", &sentence, Wait::Conversations { urls });
    section.node.children = open.iter().take(SHOWN).map(node).collect();
    Some(section)
}

fn node(open: &Conversation) -> Node {
    let by = if open.by.is_empty() { "a deleted account" } else { &open.by };
    Node::leaf(format!("{} ({by})", open.path), Status::Waiting, open.url.clone())
}
