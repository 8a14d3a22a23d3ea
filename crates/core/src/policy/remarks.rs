//! What people ask for on the pull request. It goes to remediation as findings do; what a commit of ours has answered
//! is no longer among the facts.

use super::{Facts, Node, Remark, Remedy, Status, section::Section};
use crate::{finding::Severity, words::counted};

/// The place of a remark that is about no file.
pub const WHOLE_CHANGE: &str = "the whole change";

/// Judges the open remarks of people; `None` where there are none.
pub(super) fn judge(facts: &Facts) -> Option<Section> {
    let remarks: Vec<&Remark> = facts.remarks.iter().flatten().collect();
    if remarks.is_empty() {
        return None;
    }
    let holds = |remark: &&Remark| remark.finding.holds_merge(facts.rounds_left);
    let holding: Vec<&Remark> = remarks.iter().copied().filter(holds).collect();
    let mut section = match holding.is_empty() {
        true => Section::fine(Node::leaf("remarks", Status::Satisfied, counted(count(&remarks), "remark"))),
        false => {
            let remedies = holding.iter().map(|remark| Remedy::Finding(remark.finding.clone())).collect();
            Section::failed("remarks", sentence(&holding), remedies)
        }
    };
    section.node.children = remarks.iter().map(|remark| node(remark, holds(remark))).collect();
    Some(section)
}

/// How severe it is what a person asks for: a refusal and a command hold the merge up, a comment only while rounds are
/// left.
#[must_use]
pub const fn severity(is_demanded: bool) -> Severity {
    if is_demanded { Severity::High } else { Severity::Medium }
}

fn sentence(remarks: &[&Remark]) -> String {
    let mut people: Vec<&str> = remarks.iter().map(|remark| remark.by.login.as_str()).collect();
    people.sort_unstable();
    people.dedup();
    format!("{} by {}", counted(count(remarks), "open remark"), people.join(" and "))
}

fn node(remark: &Remark, holds: bool) -> Node {
    let finding = &remark.finding;
    let status = if holds { Status::Failed } else { Status::NotApplicable };
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    let name = format!("{}{line} ({})", finding.path, remark.by.login);
    Node::leaf(name, status, finding.message.clone())
}

fn count(remarks: &[&Remark]) -> u32 {
    u32::try_from(remarks.len()).unwrap_or(u32::MAX)
}
