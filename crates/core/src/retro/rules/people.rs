//! Where people were waited for, or took things into their own hands.

use super::{Seen, count, lasting, model::Why, ms};
use crate::{
    measure::spent,
    retro::{
        facts::Raised,
        lesson::{Cost, Lesson, ProposalKind},
        text::{key, named},
    },
    words::counted,
};

/// A wait for approvals that is shorter is no more than the time that reading a change takes.
const APPROVAL_MS: i64 = 10 * 60_000;
/// The rule of a path that no pattern matches, as the classification names it.
const UNMATCHED: &str = "no pattern matches";

pub(super) fn lessons(seen: &Seen<'_>) -> Vec<Lesson> {
    let one = [dependencies(seen), takeover(seen), unjudged(seen), cancelled(seen)];
    approvals(seen).into_iter().chain(one.into_iter().flatten()).collect()
}

/// Patterns that made people approve a change of which nobody wanted anything else.
fn approvals(seen: &Seen<'_>) -> Vec<Lesson> {
    let Some(cleared) = &seen.details.cleared else { return Vec::new() };
    let wait_ms =
        spent(seen.run.submitted_at, seen.history).by_cause.get("approvers").copied().unwrap_or_default();
    let is_idle = cleared.needs_people
        && cleared.approved_by > 0
        && wait_ms >= APPROVAL_MS
        && seen.details.remarks.is_empty()
        && !seen.details.findings.iter().any(|found| found.is_actionable);
    if !is_idle {
        return Vec::new();
    }
    // A rule that is built in keeps the tier whatever the policy says.
    let is_fixed = cleared.raised.iter().any(|raised| !raised.is_ours);
    cleared
        .raised
        .iter()
        .filter(|raised| raised.is_ours)
        .map(|raised| approval(seen, raised, wait_ms, is_fixed))
        .collect()
}

fn approval(seen: &Seen<'_>, raised: &Raised, wait_ms: i64, is_fixed: bool) -> Lesson {
    let tier = seen.details.cleared.as_ref().map_or("", |cleared| cleared.tier.as_str());
    let (rule, waited) = (named(&raised.rule), lasting(wait_ms));
    let cost = Cost { wait_ms, ..Cost::default() };
    if raised.rule == UNMATCHED {
        let lesson = Lesson::new(
            "unmatched",
            cost,
            format!(
                "no pattern of the policy matches a changed path, which made the change {tier}; it waited {waited} for people"
            ),
            "a pattern for the path, or a catch-all",
        );
        let text = "Changes waited for people because no pattern of the policy matches one of their paths. Give such paths a \
                    pattern, or add a catch-all.";
        return lesson.proposing(
            ProposalKind::PolicyPattern,
            "Give paths that nothing matches a pattern",
            text,
        );
    }
    let lesson = Lesson::new(
        key("approval", &raised.rule),
        cost,
        format!(
            "{rule} made the change {tier}; it waited {waited} for people, who approved it, and nothing was found to fix"
        ),
        "a narrower pattern, or a lower tier for what is harmless under it",
    );
    if is_fixed {
        return lesson;
    }
    let text = format!(
        "{rule} made changes {tier}. People approved them, and no review found anything to fix. Narrow it, or give what is \
         harmless under it a pattern of a lower tier."
    );
    lesson.proposing(ProposalKind::PolicyPattern, &format!("Narrow the pattern {rule}"), &text)
}

fn dependencies(seen: &Seen<'_>) -> Option<Lesson> {
    let asked = &seen.details.consents;
    if asked.is_empty() {
        return None;
    }
    let wait_ms = asked.iter().map(|it| ms(it.at, it.until.unwrap_or_else(|| seen.end()))).sum();
    let refused = asked.iter().filter(|it| it.is_refused).count();
    let calls = count(seen.not_taken_for(Why::Dependencies).count());
    let lesson = Lesson::new(
        "dependencies",
        Cost { calls, wait_ms, rounds: 0 },
        format!(
            "people were asked about dependencies {} and said no {}; that waited {}",
            counted(asked.len(), "time"),
            counted(refused, "time"),
            lasting(wait_ms)
        ),
        "the packages that may be used in the requirement",
    );
    let text = "People refused dependencies that changes brought. Add no package that the repository does not have, unless the \
                requirement names it.";
    Some(if refused > 0 {
        lesson.proposing(ProposalKind::PromptNote, "Note which dependencies are not wanted", text)
    } else {
        lesson
    })
}

fn takeover(seen: &Seen<'_>) -> Option<Lesson> {
    let taken: Vec<_> = seen.kinds("taken_over").collect();
    let wait_ms = taken.iter().map(|event| seen.until(event, &["resumed", "retried_from"])).sum();
    let lesson = Lesson::new(
        "takeover",
        Cost { wait_ms, ..Cost::default() },
        format!("a person took the branch over {}, for {}", counted(taken.len(), "time"), lasting(wait_ms)),
        "what they wanted in the requirement, or asked for in a review",
    );
    (!taken.is_empty()).then_some(lesson)
}

fn unjudged(seen: &Seen<'_>) -> Option<Lesson> {
    let lesson = Lesson::new(
        "unjudged",
        Cost::default(),
        "the change was merged although no verdict had cleared it",
        "a rule of the base branch that demands the gate's check",
    );
    seen.run.is_unjudged.then_some(lesson)
}

fn cancelled(seen: &Seen<'_>) -> Option<Lesson> {
    let is_last = seen.history.last().is_some_and(|event| event.kind == "cancelled");
    let calls = count(seen.details.calls.len());
    let lesson = Lesson::new(
        "cancelled",
        Cost { calls, ..Cost::default() },
        format!("a person cancelled it after {}", counted(calls, "model call")),
        "a hold on the product, or an amendment, before the first call",
    );
    (is_last && calls > 0 && seen.is_in_vain()).then_some(lesson)
}
