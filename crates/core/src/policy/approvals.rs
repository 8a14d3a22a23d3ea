//! Who has approved the head, and whose approval counts.

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::Serialize;

use super::{
    Approval, ApprovalState, Demands, Facts, Node, Permission, Status, Tier, Via, Wait, section::Section,
};

/// The approvals that a head needs and has, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approvals {
    /// How many it needs.
    pub needed: u32,
    /// How many count, the reviewer's included.
    pub counted: u32,
    /// Whether only people count.
    pub human: bool,
    /// The rules that demand them.
    pub demanded_by: Vec<String>,
    /// What each person said last, the oldest account first.
    pub people: Vec<Said>,
}

/// What a person said last, and whether it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The login on the forge.
    pub login: String,
    /// The name here, if it was said here.
    pub name: Option<String>,
    /// Where it was said.
    pub via: Via,
    /// What was said.
    pub state: ApprovalState,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it counts: as an approval, or as a refusal that blocks.
    pub counts: bool,
    /// Why it does, or why not.
    pub why: String,
}

/// Judges the approvals of the head. A clean review by the agent may count as one approval.
pub(super) fn judge(
    facts: &Facts,
    demands: &Demands,
    tier: Tier,
    clean_review: bool,
) -> (Section, Approvals) {
    let latest = latest(facts);
    let mut children: Vec<Node> = latest.iter().filter_map(|review| node(review, facts, tier)).collect();
    if clean_review && !demands.human {
        let sentence = "a clean review counts as one approval";
        children.push(Node::leaf("Code Review Agent", Status::Satisfied, sentence));
    }
    let counted = children.iter().filter(|child| child.status == Status::Satisfied).count();
    let approvals = Approvals {
        needed: demands.approvals_needed(),
        counted: u32::try_from(counted).unwrap_or(u32::MAX),
        human: demands.human,
        demanded_by: demands.approvals_by.clone(),
        people: latest.iter().filter_map(|review| said(review, facts, tier)).collect(),
    };
    // What a review on the forge asks for is among the remarks; until its author is content with the head, the merge waits.
    // A refusal that was given here, or to an earlier release, asks for nothing that could be fixed.
    let refused = latest.iter().filter(|review| blocks(review, facts));
    let (asked, refused): (Vec<&&Approval>, Vec<&&Approval>) =
        refused.partition(|review| facts.remarks.is_some() && review.via == Via::Forge);
    if refused.is_empty() {
        let by = asked.into_iter().map(|review| review.by.login.clone()).collect();
        return (with_refusals(count(children, &approvals), by), approvals);
    }
    let names: Vec<String> = refused.into_iter().map(|review| called(review)).collect();
    let sentence = format!("{} asked for changes; only they can withdraw it", names.join(" and "));
    let mut section = Section::failed("approvals", sentence, Vec::new());
    section.node.children = children;
    (section, approvals)
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

fn count(children: Vec<Node>, approvals: &Approvals) -> Section {
    let Approvals { needed, counted, human, .. } = *approvals;
    let missing = needed.saturating_sub(counted);
    let who = if human { "approvals by people" } else { "approvals" };
    let status = match (needed, missing) {
        (0, _) => Status::NotApplicable,
        (_, 0) => Status::Satisfied,
        _ => Status::Waiting,
    };
    let sentence = format!("{counted} of {needed} {who}");
    let node = Node { name: "approvals".to_owned(), status, sentence, children };
    let wait = (missing > 0).then_some(Wait::Approvals { missing, needed, human });
    Section { waits: wait.into_iter().collect(), ..Section::fine(node) }
}

/// The login, and where it was said unless that is the forge.
fn called(review: &Approval) -> String {
    format!("{}{}", review.by.login, review.via.aside())
}

/// A person's approval or refusal, and why it does not count if it does not.
fn node(review: &Approval, facts: &Facts, tier: Tier) -> Option<Node> {
    let place = review.via.aside();
    let (status, sentence) = match review.state {
        ApprovalState::Approved => match disqualification(review, facts, tier) {
            None => (Status::Satisfied, format!("approved this head{place}")),
            Some(why) => (Status::NotApplicable, format!("does not count: {why}")),
        },
        ApprovalState::ChangesRequested if blocks(review, facts) => {
            match facts.remarks.is_some() && review.via == Via::Forge {
                true => (Status::Waiting, format!("asked for changes at {}", review.commit.short())),
                false => (Status::Failed, format!("asked for changes{place}")),
            }
        }
        ApprovalState::ChangesRequested if !review.bot => {
            let sentence = "asked for changes without write permission, which blocks nothing";
            (Status::NotApplicable, sentence.to_owned())
        }
        ApprovalState::ChangesRequested | ApprovalState::Commented | ApprovalState::Dismissed => return None,
    };
    Some(Node::leaf(&review.by.login, status, sentence))
}

/// The same for the list of people, which also has what was withdrawn here.
fn said(review: &Approval, facts: &Facts, tier: Tier) -> Option<Said> {
    let (counts, why) = match review.state {
        ApprovalState::Dismissed => (false, "withdrawn".to_owned()),
        _ => {
            let node = node(review, facts, tier)?;
            (node.status != Status::NotApplicable, node.sentence)
        }
    };
    Some(Said {
        login: review.by.login.clone(),
        name: review.name.clone(),
        via: review.via,
        state: review.state,
        at: review.submitted_at,
        counts,
        why,
    })
}

fn disqualification(review: &Approval, facts: &Facts, tier: Tier) -> Option<String> {
    let by = &review.by;
    let why = if review.bot {
        "a bot is not a person"
    } else if review.commit != facts.head {
        "it was given for another commit"
    } else if facts.is_void(review.submitted_at) {
        "a later push voids it"
    } else if let Some(doubt) = &review.doubt {
        return Some(doubt.clone());
    } else if review.permission < Permission::Write {
        "without write permission"
    } else if facts.is_same_person(by, &facts.pull_state.author) {
        "they opened the pull request"
    } else if facts.pull_state.committers.iter().any(|committer| facts.is_same_person(by, committer)) {
        "they wrote a commit of it"
    } else if tier == Tier::Critical && is_of_requester(review, facts) {
        "they asked for the change, and it is critical"
    } else {
        return None;
    };
    Some(why.to_owned())
}

/// Whether it is by who asked for the change: by the account, or by the name of the person here.
fn is_of_requester(review: &Approval, facts: &Facts) -> bool {
    let name = review.name.as_ref().map(|name| name.to_lowercase());
    facts.is_requester(&review.by) || name.is_some_and(|name| name == facts.requester.name.to_lowercase())
}

/// Each person's latest review that approves, refuses or was dismissed; a comment withdraws nothing.
fn latest(facts: &Facts) -> Vec<&Approval> {
    let mut latest: Vec<&Approval> = Vec::new();
    for review in facts.approvals.iter().filter(|review| review.state != ApprovalState::Commented) {
        match latest.iter_mut().find(|known| is_by_same(known, review, facts)) {
            Some(known) if keeps(known, review) => {}
            Some(known) if is_newer(review, known) => *known = review,
            Some(_) => {}
            None => latest.push(review),
        }
    }
    latest
}

/// Whether two are of one person: of one account on the forge, or of one person here.
fn is_by_same(one: &Approval, other: &Approval, facts: &Facts) -> bool {
    let here = |review: &Approval| review.name.as_ref().map(|name| name.to_lowercase());
    facts.is_same_person(&one.by, &other.by) || (one.name.is_some() && here(one) == here(other))
}

/// A refusal on the forge stands until it is withdrawn there, or the person approves: what is withdrawn here is what was
/// said here.
fn keeps(known: &Approval, review: &Approval) -> bool {
    let is_refusal = known.via == Via::Forge && known.state == ApprovalState::ChangesRequested;
    is_refusal && review.via != Via::Forge && review.state == ApprovalState::Dismissed
}

/// Of two at the same moment, the one that is not an approval counts. The forge's times are whole seconds, so that what
/// was said there is compared with what was said here by those alone.
fn is_newer(review: &Approval, known: &Approval) -> bool {
    let refuses = |review: &Approval| review.state != ApprovalState::Approved;
    let at = |it: &Approval| match review.via == known.via {
        true => it.submitted_at,
        false => it.submitted_at.trunc_subsecs(0),
    };
    (at(review), refuses(review)) >= (at(known), refuses(known))
}

/// Whether it holds up the merge at every tier: only people who may write can refuse a change. Where the forge does not
/// say what a person may do, a refusal that was given here counts.
fn blocks(review: &Approval, facts: &Facts) -> bool {
    let may_refuse = facts.edition == 0 || review.permission >= Permission::Write || review.is_unreadable;
    review.state == ApprovalState::ChangesRequested && !review.bot && may_refuse
}
