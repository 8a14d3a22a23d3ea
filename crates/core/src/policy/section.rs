//! One part of a judgement: its node in the tree, and what it contributes to the decision.

use super::{Node, Remedy, Status, Wait};

/// One part of a judgement.
pub(super) struct Section {
    pub(super) node: Node,
    pub(super) waits: Vec<Wait>,
    pub(super) remedies: Vec<Remedy>,
    pub(super) reasons: Vec<String>,
}

impl Section {
    /// A part that is satisfied.
    pub(super) const fn fine(node: Node) -> Self {
        Self { node, waits: Vec::new(), remedies: Vec::new(), reasons: Vec::new() }
    }

    /// The names of its parts that are satisfied.
    pub(super) fn satisfied(&self) -> Vec<String> {
        let satisfied = self.node.children.iter().filter(|child| child.status == Status::Satisfied);
        satisfied.map(|child| child.name.clone()).collect()
    }

    /// A part that only waits.
    pub(super) fn waiting(name: &str, sentence: &str, wait: Wait) -> Self {
        Self { waits: vec![wait], ..Self::fine(Node::leaf(name, Status::Waiting, sentence)) }
    }

    /// A part that failed; without remedies a person must act.
    pub(super) fn failed(name: &str, sentence: String, remedies: Vec<Remedy>) -> Self {
        let node = Node::leaf(name, Status::Failed, sentence.clone());
        Self { remedies, reasons: vec![sentence], ..Self::fine(node) }
    }
}
