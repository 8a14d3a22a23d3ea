//! The proof of a harness gap's case: without it nothing of the gap's run is merged.

use super::{Facts, Node, Remedy, Status, section::Section};
use crate::tested::listed;

/// How many names of cases a sentence has.
const NAMED: usize = 5;

/// The section about it; `None` where the change is for no gap, or its dependencies wait for a person, which holds it too.
pub(super) fn judge(facts: &Facts) -> Option<Section> {
    let proof = facts.proof.as_ref()?;
    Some(match proof.judge() {
        Ok(names) => {
            let sentence = format!(
                "fails on the base by an assertion, and so shows the incident: {}",
                listed(&names, NAMED)
            );
            Section::fine(Node::leaf("harness proof", Status::Satisfied, sentence))
        }
        Err(unproven) => {
            let what = unproven.to_string();
            Section::failed("harness proof", what.clone(), vec![Remedy::Tests { what }])
        }
    })
}
