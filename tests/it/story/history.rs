//! A run's history as text that is the same in every execution of a test.

use std::fmt::Write as _;

use aspora::{
    core::run::{Event, Pause, Progress, Run, State},
    store::event::Row,
};

/// Names for the heads of a run's branch, in order.
const HEADS: [&str; 6] = ["abc", "def", "ghi", "jkl", "mno", "pqr"];
/// Names for the base commits of a run, in order.
const BASES: [&str; 3] = ["base", "newer base", "newest base"];

/// One line per event. Waits and signals are left out, because their number depends on timing.
pub(crate) fn render(events: &[Row], run: &Run, mut names: Vec<(String, String)>) -> String {
    let (mut heads, mut bases) = (HEADS.iter(), BASES.iter());
    let mut text = String::new();
    for row in events {
        if let Event::Answered { progress, .. } | Event::Forked { progress, .. } = &row.body.0 {
            add_names(&mut names, progress, &mut heads, &mut bases);
        }
        if let Some(line) = line(row) {
            writeln!(text, "{line}").unwrap();
        }
    }
    match &run.state {
        State::Ended { name, end, reason } => writeln!(text, "{name} ({end}): {reason}").unwrap(),
        State::At { step, .. } => writeln!(text, "now at {step}").unwrap(),
        State::Paused(Pause { by, reason, .. }) => writeln!(text, "paused by {by}: {reason}").unwrap(),
        State::Waiting { step, park, .. } => writeln!(text, "{step} waits for {}", park.reason).unwrap(),
    }
    without_request_ids(&named(text, &names))
}

fn line(row: &Row) -> Option<String> {
    let step = row.step.as_deref().unwrap_or("no step");
    match &row.body.0 {
        Event::Started { .. } => Some("started".to_owned()),
        Event::Answered { outcome, note, .. } => Some(format!("{step} → {outcome}: {note}")),
        Event::Failed { attempt, error, .. } => Some(format!("{step} failed at attempt {attempt}: {error}")),
        Event::Exhausted { error, .. } => Some(format!("{step} gave up: {error}")),
        Event::Stranded { reason } => Some(format!("{step} is not supported: {reason}")),
        Event::Forked { step, reason, .. } => Some(format!("forked at {step}: {reason}")),
        Event::Paused { reason, .. } => Some(format!("{step} paused: {reason}")),
        Event::TakenOver { by, reason } => Some(format!("{step} taken over by {by}: {reason}")),
        Event::Resumed { reason } => Some(format!("{step} resumed: {reason}")),
        Event::Cancelled { reason } => Some(format!("{step} cancelled: {reason}")),
        Event::Held { provider, error, .. } => Some(format!("{step} is held, {provider}: {error}")),
        Event::WentOn { .. } => Some(format!("{step} went on")),
        Event::Hurried { reason } => Some(format!("{step} made due now: {reason}")),
        Event::Skipped { outcome, reason } => Some(format!("{step} skipped as {outcome}: {reason}")),
        Event::NotPermitted { asked, reason } => Some(format!("{step} not permitted {asked}: {reason}")),
        Event::FindingDismissed { finding, reason, .. } => Some(format!("dismissed {finding}: {reason}")),
        Event::Asked { round, questions } => Some(format!("{step} asks {questions} (round {round})")),
        Event::QuestionAnswered { round } => Some(format!("{step} got the answers of round {round}")),
        Event::ConsentAsked { packages, .. } => Some(format!("{step} asks about {packages} packages")),
        Event::ConsentGiven { consent, login, .. } => {
            Some(format!("{login} {} the dependencies", consent.done()))
        }
        Event::Amended { edition, reason, .. } => {
            Some(format!("{step} amended (edition {edition}): {reason}"))
        }
        Event::OpinionGiven { opinion, head, login, .. } => {
            Some(format!("{login} {} {}", opinion.done(), head.short()))
        }
        Event::EvidenceRecorded { conclusion, faults, .. } => {
            let first = faults.first().map(|fault| format!(": {fault}")).unwrap_or_default();
            let conclusion = format!("{conclusion:?}").to_lowercase();
            Some(format!("evidence {conclusion}{first}"))
        }
        Event::PullChanged { note, .. } => Some(format!("after the end: {note}")),
        Event::BaseChecked { note, .. } => Some(format!("base: {note}")),
        Event::RetriedFrom { step, reason } => Some(format!("retried from {step}: {reason}")),
        Event::Parked { .. } | Event::Signalled { .. } | Event::Woken => None,
    }
}

fn add_names(
    names: &mut Vec<(String, String)>,
    progress: &Progress,
    heads: &mut std::slice::Iter<'_, &str>,
    bases: &mut std::slice::Iter<'_, &str>,
) {
    let mut add = |sha: Option<String>, name: &mut dyn FnMut() -> String| {
        if let Some(sha) = sha.filter(|sha| !names.iter().any(|(known, _)| known == sha)) {
            names.push((sha, name()));
        }
    };
    let text = |sha: &Option<aspora::core::sha::Sha>| sha.as_ref().map(ToString::to_string);
    add(text(&progress.base), &mut || (*bases.next().expect("a name for each base")).to_owned());
    add(text(&progress.head), &mut || (*heads.next().expect("a name for each head")).to_owned());
    add(text(&progress.merged), &mut || "the merge".to_owned());
}

/// Replaces ids by names; commits also where only their first seven digits are shown.
fn named(mut text: String, names: &[(String, String)]) -> String {
    for (from, to) in names {
        text = text.replace(from.as_str(), to);
        let is_commit = from.len() == 40 && from.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_commit {
            text = text.replace(&from[..7], to);
        }
    }
    text
}

/// Removes the ids of GitHub requests.
fn without_request_ids(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" [request ") {
        kept.push_str(before);
        rest = after.split_once(']').map_or("", |(_, rest)| rest);
    }
    kept + rest
}
