//! A run's history as lines that are the same every time.

use std::fmt::Write as _;

use aspora::{
    core::run::{Event, Pause, Progress, Run, State},
    store::event::Row,
};

/// The heads of a run's branch, in the order in which they came.
const HEADS: [&str; 6] = ["abc", "def", "ghi", "jkl", "mno", "pqr"];
/// The commits of the base branch that a run rested on.
const BASES: [&str; 3] = ["base", "newer base", "newest base"];

/// One line an event; waits, which differ from time to time, are left out.
pub(crate) fn tell(events: &[Row], run: &Run, mut names: Vec<(String, String)>) -> String {
    let (mut heads, mut bases) = (HEADS.iter(), BASES.iter());
    let mut text = String::new();
    for row in events {
        if let Event::Answered { progress, .. } | Event::Forked { progress, .. } = &row.body.0 {
            learn(&mut names, progress, &mut heads, &mut bases);
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
    without_requests(&named(text, &names))
}

fn line(row: &Row) -> Option<String> {
    let step = row.step.as_deref().unwrap_or("nowhere");
    match &row.body.0 {
        Event::Started => Some("started".to_owned()),
        Event::Answered { outcome, note, .. } => Some(format!("{step} → {outcome}: {note}")),
        Event::Failed { attempt, error, .. } => Some(format!("{step} failed at attempt {attempt}: {error}")),
        Event::Exhausted { error, .. } => Some(format!("{step} is given up: {error}")),
        Event::Stranded { reason } => Some(format!("{step} is stranded: {reason}")),
        Event::Forked { step, reason, .. } => Some(format!("forked at {step}: {reason}")),
        Event::Paused { reason, .. } => Some(format!("{step} paused: {reason}")),
        Event::Resumed { reason } => Some(format!("{step} resumed: {reason}")),
        Event::Cancelled { reason } => Some(format!("{step} cancelled: {reason}")),
        Event::Hurried { reason } => Some(format!("{step} runs now: {reason}")),
        Event::Skipped { outcome, reason } => Some(format!("{step} skipped as {outcome}: {reason}")),
        Event::RetriedFrom { step, reason } => Some(format!("sent to {step}: {reason}")),
        Event::Parked { .. } | Event::Signalled { .. } | Event::Woken => None,
    }
}

fn learn(
    names: &mut Vec<(String, String)>,
    progress: &Progress,
    heads: &mut std::slice::Iter<'_, &str>,
    bases: &mut std::slice::Iter<'_, &str>,
) {
    let mut meet = |sha: Option<String>, name: &mut dyn FnMut() -> String| {
        if let Some(sha) = sha.filter(|sha| !names.iter().any(|(known, _)| known == sha)) {
            names.push((sha, name()));
        }
    };
    let text = |sha: &Option<aspora::core::sha::Sha>| sha.as_ref().map(ToString::to_string);
    meet(text(&progress.base), &mut || (*bases.next().expect("few bases")).to_owned());
    meet(text(&progress.head), &mut || (*heads.next().expect("few heads")).to_owned());
    meet(text(&progress.merged), &mut || "the merge".to_owned());
}

/// Commits are known by their whole name and by its first seven letters.
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

/// GitHub's names of requests differ every time.
fn without_requests(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" [request ") {
        kept.push_str(before);
        rest = after.split_once(']').map_or("", |(_, rest)| rest);
    }
    kept + rest
}
