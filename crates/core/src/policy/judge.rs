//! The judgement: from the facts about one head to the one decision that follows.

use super::{
    Assessment, CheckRow, Classification, Clearance, Decision, Demands, Facts, Node, Phase, Policy,
    PullState, Remedy, Status, Stop, Wait, approvals, checks, classify,
    contract::{Broken, Ruling},
    conversations, findings, freshness, harness_proof, own_tests, remarks,
    required::{demanded, drifts},
    section::Section,
};

/// Judges a head for the merge: it must meet everything that its tier demands.
#[must_use]
pub fn judge(facts: &Facts) -> Assessment {
    assess(facts, Phase::Verdict)
}

/// Judges a head before its review: policy, tier, docs drift, and what it will need.
///
/// `Clear` means that the review can begin; it never gives a clearance.
#[must_use]
pub fn preflight(facts: &Facts) -> Assessment {
    assess(facts, Phase::Preflight)
}

fn assess(facts: &Facts, phase: Phase) -> Assessment {
    match facts.contract().ruling() {
        Ok(ruling) => under(&ruling, facts, phase),
        Err(unreadable) => broken(&unreadable, facts, phase),
    }
}

fn under(ruling: &Ruling, facts: &Facts, phase: Phase) -> Assessment {
    let products = facts.products();
    let classification = classify::under(ruling, &facts.scope(&products), &facts.change);
    let (demands, evidence) = demanded(ruling, &products, &facts.whole_change(), &classification);
    let (check_section, rows) = checks::judge(facts, &demands, evidence.as_ref());
    let (freshness, must_update) = freshness::judge(ruling, facts, &demands);
    let (approval_section, approvals) =
        approvals::judge(facts, &demands, classification.tier, has_clean_review(facts));
    let approved_by = approval_section.satisfied();
    let mut sections =
        vec![policy_section(ruling), tier_section(&classification), docs_section(ruling, facts)];
    match phase {
        Phase::Preflight => {
            // Before a review is paid for; facts of earlier releases are judged as they were.
            sections.extend(facts.tests.as_ref().and_then(|_| own_tests::judge(facts)));
            sections.extend(harness_proof::judge(facts));
            sections.push(Section::fine(outlook(&demands, &rows)));
        }
        Phase::Verdict => {
            sections.push(pull_section(facts));
            sections.extend(own_tests::judge(facts));
            sections.extend(harness_proof::judge(facts));
            sections.extend(sibling_section(facts));
            sections.push(freshness);
            sections.extend(review_section(facts));
            sections.push(findings::judge(facts));
            sections.extend(remarks::judge(facts));
            sections.extend(conversations::judge(facts));
            sections.push(check_section);
            sections.push(approval_section);
        }
    }
    let must_update = must_update || (!facts.up_to_date && rows.iter().any(|row| row.needs_base));
    let (tree, decision) = decide(sections, facts, phase == Phase::Verdict && must_update);
    let base_policy = facts.base_policy.is_some().then(|| ruling.policies.first()).flatten();
    let policy_digest = base_policy.map(|policy| policy.digest().to_owned());
    let clearance = (phase == Phase::Verdict && decision == Decision::Clear).then(|| Clearance {
        at: facts.at,
        head: facts.head.clone(),
        base: facts.base.clone(),
        policy_digest: policy_digest.clone(),
        tier: classification.tier,
        reviewed_at: facts.review_of_head().map(|review| review.completed_at),
        checks: rows.clone(),
        approved_by,
        merge_method: base_policy.and_then(|policy| policy.merge_method(&facts.product)),
    });
    Assessment {
        phase,
        head: facts.head.clone(),
        base: facts.base.clone(),
        policy_digest,
        head_policy_digest: head_digest(ruling, facts),
        classification: Some(classification),
        demands: Some(demands),
        decision,
        tree,
        checks: rows,
        approvals: Some(approvals),
        clearance,
    }
}

/// A policy that does not parse: at the base it is waited for, because no commit of the run can repair it.
fn broken(broken: &Broken, facts: &Facts, phase: Phase) -> Assessment {
    let error = &broken.error;
    let (pointer, message) = (error.pointer.clone(), error.message.clone());
    let waits = broken.at_base && facts.edition > 0;
    let node = Node::leaf("policy", if waits { Status::Waiting } else { Status::Failed }, error.to_string());
    let decision = match stop(facts) {
        // A closed pull request or a person's takeover takes precedence.
        Some(reason) => Decision::Stopped { reason },
        None if waits => Decision::Waiting { on: vec![Wait::Policy { pointer, message }] },
        None => Decision::Stopped { reason: Stop::PolicyBroken { pointer, message } },
    };
    Assessment {
        phase,
        head: facts.head.clone(),
        base: facts.base.clone(),
        policy_digest: None,
        head_policy_digest: None,
        classification: None,
        demands: None,
        decision,
        tree: Node::over("gate", "the policy cannot be read", vec![node]),
        checks: Vec::new(),
        approvals: None,
        clearance: None,
    }
}

/// What stops a run before anything else is considered.
fn stop(facts: &Facts) -> Option<Stop> {
    let pull = &facts.pull_state;
    match pull.state {
        PullState::Closed => Some(Stop::Closed),
        PullState::Merged => Some(Stop::Merged),
        PullState::Open if pull.base_branch != facts.base_branch => {
            Some(Stop::Retargeted { expected: facts.base_branch.clone(), actual: pull.base_branch.clone() })
        }
        PullState::Open if pull.foreign_commits.is_empty() => None,
        PullState::Open => Some(Stop::HumanTakeover { commits: pull.foreign_commits.clone() }),
    }
}

fn decide(sections: Vec<Section>, facts: &Facts, behind: bool) -> (Node, Decision) {
    let (mut children, mut on, mut remediable, mut reasons) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for section in sections {
        children.push(section.node);
        on.extend(section.waits);
        remediable.extend(section.remedies);
        reasons.extend(section.reasons);
    }
    if facts.rounds_left == 0 {
        remediable.clear();
    }
    let decision = match stop(facts) {
        Some(reason) => Decision::Stopped { reason },
        None if !reasons.is_empty() => Decision::Blocked { remediable, reasons },
        None if behind => Decision::Behind,
        None if !on.is_empty() => Decision::Waiting { on },
        None => Decision::Clear,
    };
    (Node::over("gate", "", children), decision)
}

fn head_digest(ruling: &Ruling, facts: &Facts) -> Option<String> {
    let head = facts.head_policy.as_ref()?;
    let same = facts.base_policy.as_ref() == Some(head);
    let policy = if same { ruling.policies.first() } else { ruling.policies.last() };
    policy.map(|policy| policy.digest().to_owned())
}

fn policy_section(ruling: &Ruling) -> Section {
    let digest = |policy: &Policy| policy.digest()[..12].to_owned();
    let digests: Vec<String> = ruling.policies.iter().map(digest).collect();
    let sentence = match (ruling.missing, digests.is_empty()) {
        (Some(missing), true) => format!("{missing}: everything is critical"),
        (Some(missing), false) => {
            format!("{missing}: everything is critical, and {} counts", digests.join(" and "))
        }
        (None, _) if digests.len() > 1 => {
            format!("the head changes the policy: the stricter part of {} counts", digests.join(" and "))
        }
        (None, _) => format!("policy {} at the base", digests.join("")),
    };
    Section::fine(Node::leaf("policy", Status::Satisfied, sentence))
}

fn tier_section(classification: &Classification) -> Section {
    let tier = classification.tier;
    let path = classification.paths.iter().find(|path| path.tier == tier);
    let by_path = path.map(|path| format!("{tier} by {:?}: {}", path.path, path.reasons[0].rule));
    let by_whole = classification.whole.iter().find(|reason| reason.tier == tier);
    let sentence = by_whole.map(|reason| format!("{tier}: {}", reason.rule)).or(by_path);
    let sentence = sentence.unwrap_or_else(|| format!("{tier}: nothing changed"));
    Section::fine(Node::leaf("tier", Status::Satisfied, sentence))
}

fn docs_section(ruling: &Ruling, facts: &Facts) -> Section {
    let drifts = drifts(ruling, &facts.whole_change());
    if drifts.is_empty() {
        return Section::fine(Node::leaf("docs", Status::Satisfied, "no document is left behind"));
    }
    let sentence = drifts.iter().map(super::Drift::sentence).collect::<Vec<_>>().join("; ");
    Section::failed("docs", sentence, drifts.into_iter().map(Remedy::Docs).collect())
}

fn pull_section(facts: &Facts) -> Section {
    let sentence = match stop(facts) {
        Some(stop) => return Section::failed("pull request", stop.sentence(), Vec::new()),
        None if facts.pull_state.draft => {
            return Section::waiting("pull request", "it is a draft", Wait::Draft);
        }
        None if facts.pull_state.is_theirs => {
            format!("#{} of {} is open", facts.pull, facts.pull_state.author.login)
        }
        None => format!("#{} is open and ours", facts.pull),
    };
    Section::fine(Node::leaf("pull request", Status::Satisfied, sentence))
}

/// Other pull requests that a success of this head would count for.
fn sibling_section(facts: &Facts) -> Option<Section> {
    let pulls = &facts.pull_state.siblings;
    if pulls.is_empty() {
        return None;
    }
    let wait = Wait::Sibling { pulls: pulls.clone() };
    Some(Section::waiting("same head", &wait.sentence(), wait))
}

/// A complete review of this head, where the workflow asks for one; what a tier asks for is among its checks.
fn review_section(facts: &Facts) -> Option<Section> {
    facts
        .lacks_review()
        .then(|| Section::waiting("review", "this head has not been reviewed", Wait::Unreviewed))
}

fn has_clean_review(facts: &Facts) -> bool {
    facts
        .review_of_head()
        .is_some_and(|review| review.failed.is_none() && review.holding(facts.rounds_left).next().is_none())
}

/// What the head will need, shown before it is demanded.
fn outlook(demands: &Demands, rows: &[CheckRow]) -> Node {
    let needed = demands.approvals_needed();
    let who = if demands.human { "approvals by people" } else { "approvals" };
    let checks = rows.iter().filter(|row| checks::counts(row.state));
    let names: Vec<&str> = checks.map(|row| row.name.as_str()).collect();
    let sentence = format!("will need {needed} {who}, and {}", names.join(", "));
    Node::leaf("outlook", Status::NotApplicable, sentence)
}
