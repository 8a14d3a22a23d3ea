//! Who has approved the head, and whose approval counts.

use super::{
    Approval, ApprovalState, Demands, Facts, Node, Permission, Status, Tier, Wait, section::Section,
};

/// Judges the approvals of the head. A clean review by the agent may count as one approval.
pub(super) fn judge(facts: &Facts, demands: &Demands, tier: Tier, clean_review: bool) -> Section {
    let latest = latest(facts);
    let refused: Vec<_> = latest.iter().filter(|review| blocks(review, facts)).collect();
    if !refused.is_empty() && facts.remarks.is_none() {
        let names: Vec<_> = refused.iter().map(|review| review.by.login.as_str()).collect();
        let sentence = format!("{} asked for changes; only they can withdraw it", names.join(" and "));
        return Section::failed("approvals", sentence, Vec::new());
    }
    // What they ask for is among the remarks; until they are content with the head, the merge waits for them.
    let by: Vec<String> = refused.iter().map(|review| review.by.login.clone()).collect();
    let mut children: Vec<Node> = latest.iter().filter_map(|review| node(review, facts, tier)).collect();
    if clean_review && !demands.human {
        children.push(Node::leaf(
            "Code Review Agent",
            Status::Satisfied,
            "a clean review counts as one approval",
        ));
    }
    with_refusals(count(children, demands), by)
}

/// The section, which waits for those who asked for changes too.
fn with_refusals(mut section: Section, by: Vec<String>) -> Section {
    if by.is_empty() {
        return section;
    }
    let refusal = Wait::Refusal { by };
    section.node.status = Status::Waiting;
    section.node.sentence = format!("{}; {}", refusal.sentence(), section.node.sentence);
    section.waits.insert(0, refusal);
    section
}

fn count(children: Vec<Node>, demands: &Demands) -> Section {
    let counted = children.iter().filter(|child| child.status == Status::Satisfied).count();
    let counted = u32::try_from(counted).unwrap_or(u32::MAX);
    let needed = demands.approvals_needed();
    let missing = needed.saturating_sub(counted);
    let who = if demands.human { "approvals by people" } else { "approvals" };
    let status = match (needed, missing) {
        (0, _) => Status::NotApplicable,
        (_, 0) => Status::Satisfied,
        _ => Status::Waiting,
    };
    let sentence = format!("{counted} of {needed} {who}");
    let node = Node { name: "approvals".to_owned(), status, sentence, children };
    let wait = (missing > 0).then_some(Wait::Approvals { missing, needed, human: demands.human });
    Section { waits: wait.into_iter().collect(), ..Section::fine(node) }
}

/// A person's approval or refusal, and why it does not count if it does not.
fn node(review: &Approval, facts: &Facts, tier: Tier) -> Option<Node> {
    let (status, sentence) = match review.state {
        ApprovalState::Approved => match disqualification(review, facts, tier) {
            None => (Status::Satisfied, "approved this head".to_owned()),
            Some(why) => (Status::NotApplicable, format!("does not count: {why}")),
        },
        ApprovalState::ChangesRequested if blocks(review, facts) => {
            (Status::Waiting, format!("asked for changes at {}", review.commit.short()))
        }
        ApprovalState::ChangesRequested if !review.bot => {
            let sentence = "asked for changes without write permission, which blocks nothing";
            (Status::NotApplicable, sentence.to_owned())
        }
        ApprovalState::ChangesRequested | ApprovalState::Commented | ApprovalState::Dismissed => return None,
    };
    Some(Node::leaf(&review.by.login, status, sentence))
}

fn disqualification(review: &Approval, facts: &Facts, tier: Tier) -> Option<&'static str> {
    let by = &review.by;
    if review.bot {
        Some("a bot is not a person")
    } else if review.commit != facts.head {
        Some("it was given for another commit")
    } else if facts.is_void(review.submitted_at) {
        Some("a later push voids it")
    } else if review.permission < Permission::Write {
        Some("without write permission")
    } else if facts.is_same_person(by, &facts.pull_state.author) {
        Some("they opened the pull request")
    } else if facts.pull_state.committers.iter().any(|committer| facts.is_same_person(by, committer)) {
        Some("they wrote a commit of it")
    } else if tier == Tier::Critical && facts.is_requester(by) {
        Some("they asked for the change, and it is critical")
    } else {
        None
    }
}

/// Each person's latest review that approves, refuses or was dismissed; a comment withdraws nothing.
fn latest(facts: &Facts) -> Vec<&Approval> {
    let mut latest: Vec<&Approval> = Vec::new();
    for review in facts.approvals.iter().filter(|review| review.state != ApprovalState::Commented) {
        match latest.iter_mut().find(|known| facts.is_same_person(&known.by, &review.by)) {
            Some(known) if is_newer(review, known) => *known = review,
            Some(_) => {}
            None => latest.push(review),
        }
    }
    latest
}

/// Of two at the same moment, the one that is not an approval counts.
fn is_newer(review: &Approval, known: &Approval) -> bool {
    let refuses = |review: &Approval| review.state != ApprovalState::Approved;
    (review.submitted_at, refuses(review)) >= (known.submitted_at, refuses(known))
}

/// Whether it holds up the merge at every tier: only people who may write can refuse a change.
fn blocks(review: &Approval, facts: &Facts) -> bool {
    let may_refuse = facts.edition == 0 || review.permission >= Permission::Write;
    review.state == ApprovalState::ChangesRequested && !review.bot && may_refuse
}
