//! A run's history on a terminal: one line per event.

use std::fmt::Write as _;

use super::text::{plain, short};
use crate::api::{Event, Fact, Progress, Run, Summary};

/// Whether to colour lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// No colours.
    Plain,
    /// ANSI colours.
    Colour,
}

#[derive(Clone, Copy)]
enum Mood {
    Good,
    Busy,
    Bad,
    Quiet,
}

/// One event as one line: time, step, what happened, and who or which commit where that matters.
pub(super) fn line(event: &Event, paint: Paint) -> String {
    let step = event.step.as_deref().unwrap_or("");
    let Summary { what, detail } = event.fact.summary();
    let what = painted(&plain(&what), mood(&event.fact), paint);
    let mut line = format!("{}  {:<10} {what}", event.at.format("%H:%M:%S"), plain(step));
    if !detail.is_empty() {
        let _ = write!(line, ": {}", plain(&detail));
    }
    if let Some(aside) = aside(event, &detail) {
        let _ = write!(line, " ({})", plain(&aside));
    }
    line
}

/// The last line: how the run ended, why, and where its pull request is.
pub(super) fn end(run: &Run, paint: Paint) -> String {
    let end = run.ended_as.as_deref().unwrap_or(&run.state);
    let mood = if end == "succeeded" { Mood::Good } else { Mood::Bad };
    let mut line = painted(&plain(end), mood, paint);
    if let Some(reason) = run.reason.as_deref().filter(|reason| !reason.is_empty()) {
        let _ = write!(line, ": {}", plain(reason));
    }
    if let Some(url) = &run.pull_url {
        let _ = write!(line, "\n{}", plain(url));
    }
    line
}

/// The commits that a step's answer names, or the actor where the event was not a step's or the clock's.
fn aside(event: &Event, detail: &str) -> Option<String> {
    match &event.fact {
        Fact::Answered { progress, .. } | Fact::Parked { progress, .. } => commits(progress, detail),
        Fact::Started
        | Fact::Forked { .. }
        | Fact::Paused { .. }
        | Fact::TakenOver { .. }
        | Fact::Resumed { .. }
        | Fact::Cancelled { .. }
        | Fact::Hurried { .. }
        | Fact::Skipped { .. }
        | Fact::NotPermitted { .. }
        | Fact::FindingDismissed { .. }
        | Fact::QuestionAnswered { .. }
        | Fact::ConsentGiven { .. }
        | Fact::Amended { .. }
        | Fact::OpinionGiven { .. }
        | Fact::EvidenceRecorded { .. }
        | Fact::PullChanged { .. }
        | Fact::BaseChecked { .. }
        | Fact::RetriedFrom { .. } => Some(format!("by {}", event.actor)),
        Fact::Signalled { .. }
        | Fact::Woken
        | Fact::Failed { .. }
        | Fact::Held { .. }
        | Fact::WentOn { .. }
        | Fact::Stranded { .. }
        | Fact::Exhausted { .. }
        | Fact::Asked { .. }
        | Fact::ConsentAsked { .. }
        | Fact::Other => None,
    }
}

/// The commits that `detail` does not name yet.
fn commits(progress: &Progress, detail: &str) -> Option<String> {
    let named = [("head", &progress.head), ("merged as", &progress.merged)].into_iter();
    let new = named.filter_map(|(name, sha)| Some((name, short(sha.as_deref()?))));
    let new: Vec<String> =
        new.filter(|(_, sha)| !detail.contains(sha)).map(|(name, sha)| format!("{name} {sha}")).collect();
    (!new.is_empty()).then(|| new.join(", "))
}

fn mood(fact: &Fact) -> Mood {
    match fact {
        Fact::Answered { outcome, .. } => match outcome.as_str() {
            "opened" | "passed" | "clean" | "cleared" | "merged" => Mood::Good,
            "declined" | "closed" | "stopped" | "unfixable" | "conflict" | "refused" => Mood::Bad,
            _ => Mood::Busy,
        },
        Fact::Asked { .. } | Fact::ConsentAsked { .. } => Mood::Busy,
        Fact::Failed { .. }
        | Fact::Stranded { .. }
        | Fact::Exhausted { .. }
        | Fact::Paused { .. }
        | Fact::TakenOver { .. }
        | Fact::Cancelled { .. }
        | Fact::Held { .. }
        | Fact::Skipped { .. } => Mood::Bad,
        Fact::BaseChecked { broke, .. } if broke.is_empty() => Mood::Good,
        Fact::BaseChecked { .. } => Mood::Bad,
        Fact::Started
        | Fact::Parked { .. }
        | Fact::WentOn { .. }
        | Fact::Signalled { .. }
        | Fact::Woken
        | Fact::Forked { .. }
        | Fact::Resumed { .. }
        | Fact::Hurried { .. }
        | Fact::NotPermitted { .. }
        | Fact::FindingDismissed { .. }
        | Fact::QuestionAnswered { .. }
        | Fact::ConsentGiven { .. }
        | Fact::Amended { .. }
        | Fact::OpinionGiven { .. }
        | Fact::EvidenceRecorded { .. }
        | Fact::PullChanged { .. }
        | Fact::RetriedFrom { .. }
        | Fact::Other => Mood::Quiet,
    }
}

fn painted(text: &str, mood: Mood, paint: Paint) -> String {
    let code = match mood {
        Mood::Good => 32,
        Mood::Busy => 33,
        Mood::Bad => 31,
        Mood::Quiet => 2,
    };
    match paint {
        Paint::Plain => text.to_owned(),
        Paint::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[track_caller]
    fn check(step: &str, fact: Fact, expected: &str) {
        let at = DateTime::UNIX_EPOCH;
        let event = Event { seq: 1, at, actor: "w1".to_owned(), step: Some(step.to_owned()), fact };
        assert_eq!(line(&event, Paint::Plain), expected);
    }

    #[test]
    fn an_event_is_one_line() {
        let progress = Progress { head: Some("0123456789".repeat(4)), ..Progress::default() };
        let answered = |note: &str, progress| Fact::Answered {
            turn: 1,
            outcome: "opened".to_owned(),
            note: note.to_owned(),
            progress,
        };
        check("generate", Fact::Started, "00:00:00  generate   started (by w1)");
        check(
            "generate",
            answered("opened #7", progress.clone()),
            "00:00:00  generate   opened: opened #7 (head 0123456)",
        );
        check(
            "generate",
            answered("pushed 0123456", progress),
            "00:00:00  generate   opened: pushed 0123456",
        );
        let cancelled = Fact::Cancelled { reason: "not needed".to_owned() };
        check("review", cancelled, "00:00:00  review     cancelled: not needed (by w1)");
        let signalled = Fact::Signalled { topic: "checks".to_owned() };
        check("verdict", signalled, "00:00:00  verdict    signal received: checks");
    }

    #[test]
    fn a_terminal_is_not_shown_control_characters() {
        let fact = Fact::Skipped { outcome: "a\u{1b}[2J".to_owned(), reason: "\nb\u{202e}c".to_owned() };
        check("x", fact, "00:00:00  x          skipped as a [2J: b\u{fffd}c (by w1)");
    }

    #[test]
    fn colours_are_only_for_terminals() {
        let fact = Fact::Woken;
        let event = Event { seq: 1, at: DateTime::UNIX_EPOCH, actor: String::new(), step: None, fact };
        assert!(!line(&event, Paint::Plain).contains('\u{1b}'));
        assert!(line(&event, Paint::Colour).contains("\u{1b}[2m"));
    }
}
