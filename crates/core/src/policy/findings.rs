//! What the reviews found: the open findings of the head decide, and what became of the others is shown.

use super::{Facts, FindingState, Found, Node, Remedy, ReviewedBy, Status, section::Section};
use crate::{finding::tally, words::counted};

/// How many findings are shown.
const SHOWN: usize = 50;

/// Findings count at every tier as soon as they are known, whether or not a review is demanded.
pub(super) fn judge(facts: &Facts) -> Section {
    let mut section = of_head(facts);
    section.node.children = shown(facts);
    section
}

fn of_head(facts: &Facts) -> Section {
    let Some(review) = facts.review_of_head() else {
        return Section::fine(Node::leaf("findings", Status::NotApplicable, "no review of this head yet"));
    };
    if let Some(failed) = &review.failed {
        return Section::failed("findings", format!("the review failed: {failed}"), Vec::new());
    }
    let open: Vec<_> = review.open().cloned().collect();
    let holding: Vec<_> = review.holding(facts.rounds_left).cloned().collect();
    if holding.is_empty() {
        return Section::fine(Node::leaf("findings", Status::Satisfied, tally(&open)));
    }
    Section::failed("findings", tally(&open), holding.into_iter().map(Remedy::Finding).collect())
}

/// The findings of the head, then those of earlier heads that it no longer has.
fn shown(facts: &Facts) -> Vec<Node> {
    let of_head: Vec<&Found> = facts.review_of_head().iter().flat_map(|review| &review.findings).collect();
    let is_earlier =
        |found: &&Found| !of_head.iter().any(|known| known.finding.fingerprint == found.finding.fingerprint);
    let all: Vec<&Found> =
        of_head.iter().copied().chain(facts.earlier_findings.iter().filter(is_earlier)).collect();
    let by = facts.review_of_head().into_iter().flat_map(|review| &review.by).map(reviewer);
    let mut nodes: Vec<Node> = by.chain(all.iter().take(SHOWN).map(|found| node(facts, found))).collect();
    if let Some(more) = all.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let sentence = format!("{} more, which the run's page lists", counted(more, "finding"));
        nodes.push(Node::leaf("and", Status::NotApplicable, sentence));
    }
    nodes
}

/// What one reviewer said.
fn reviewer(by: &ReviewedBy) -> Node {
    let status = match (by.complete, by.advisory) {
        (true, _) => Status::Satisfied,
        (false, true) => Status::NotApplicable,
        (false, false) => Status::Failed,
    };
    let name = if by.advisory { format!("{} (advisory)", by.reviewer) } else { by.reviewer.clone() };
    Node::leaf(name, status, by.note.clone())
}

fn node(facts: &Facts, found: &Found) -> Node {
    let finding = &found.finding;
    let (status, state) = match &found.state {
        FindingState::Open if finding.holds_merge(facts.rounds_left) => (Status::Failed, "open".to_owned()),
        FindingState::Open => (Status::NotApplicable, "open".to_owned()),
        FindingState::FixedAt(sha) => (Status::Satisfied, format!("fixed at {}", sha.short())),
        FindingState::Gone => (Status::Satisfied, "gone".to_owned()),
        FindingState::Dismissed { by, reason } => (Status::Satisfied, format!("dismissed by {by}: {reason}")),
    };
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    let source = finding.source.as_ref().map(|source| format!(", {source}")).unwrap_or_default();
    let path = if finding.path.is_empty() { "the whole change" } else { &finding.path };
    let name = format!("{path}{line} ({}{source})", finding.severity.as_str());
    Node::leaf(name, status, format!("{} — {state}", finding.message))
}
