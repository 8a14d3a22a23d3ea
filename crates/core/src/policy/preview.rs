//! What the merge of a head would change on its base, as git itself merges the two.

use serde::{Deserialize, Serialize};

use crate::change::Change;

/// The merge of base and head, tried without a commit (`git merge-tree --write-tree`).
///
/// A merge follows renames: an edit of a file that the base has moved lands at its new path, which base...head
/// does not list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergePreview {
    /// What differs between the base and the merge and is not in the listing of base...head.
    pub beyond: Change,
    /// The paths that both sides changed, so that git cannot merge them; empty if it can.
    pub conflicts: Vec<String>,
}
