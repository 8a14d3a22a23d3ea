//! A run's history for people: one line an event, safe to show on a terminal.

use std::fmt::Write as _;

use crate::api::{Event, Fact, Progress, Run};

/// Whether lines may be coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// As they are.
    Plain,
    /// With ANSI colours.
    Colour,
}

#[derive(Clone, Copy)]
enum Mood {
    Good,
    Busy,
    Bad,
    Quiet,
}

/// One event as one line: when, at which step, what, and the note.
#[must_use]
pub fn line(event: &Event, paint: Paint) -> String {
    let step = event.step.as_deref().unwrap_or("");
    let (mood, word, note) = told(&event.fact, &event.actor);
    let word = painted(&format!("{:<10}", plain(&word)), mood, paint);
    let line = format!("{}  {:<10} {word} {}", event.at.format("%H:%M:%S"), plain(step), plain(&note));
    line.trim_end().to_owned()
}

/// The last line: how the run ended, why, and where its pull request is.
#[must_use]
pub fn end(run: &Run, paint: Paint) -> String {
    let word = run.ended_as.as_deref().unwrap_or(&run.state);
    let mood = if word == "succeeded" { Mood::Good } else { Mood::Bad };
    let mut line = painted(&plain(word), mood, paint);
    if let Some(reason) = run.reason.as_deref().filter(|reason| !reason.is_empty()) {
        let _ = write!(line, ": {}", plain(reason));
    }
    if let Some(url) = &run.pull_url {
        let _ = write!(line, "\n{}", plain(url));
    }
    line
}

/// The text without anything that a terminal would obey or that would hide or turn what follows.
#[must_use]
pub fn plain(text: &str) -> String {
    let harmless = |c: char| {
        let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c == '\n' || c == '\t' {
            ' '
        } else if c.is_control() || turns {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(harmless).collect()
}

/// As [`plain`], but line feeds stay.
#[must_use]
pub fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// The first seven digits of a commit, as people quote it.
#[must_use]
pub fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

fn told(fact: &Fact, actor: &str) -> (Mood, String, String) {
    match fact {
        Fact::Started => (Mood::Quiet, "started".to_owned(), format!("by {actor}")),
        Fact::Answered { outcome, note, progress, .. } => {
            (mood(outcome), outcome.clone(), with_commits(note, progress))
        }
        Fact::Parked { waiting_for, progress, .. } => {
            (Mood::Quiet, "waits".to_owned(), with_commits(&format!("for {waiting_for}"), progress))
        }
        Fact::Signalled { topic } => (Mood::Quiet, "news".to_owned(), format!("about {topic}")),
        Fact::Woken => (Mood::Quiet, "woke".to_owned(), "to look again".to_owned()),
        Fact::Failed { attempt, error, retry_at, .. } => {
            let again = retry_at.format("%H:%M:%S");
            (Mood::Bad, "failed".to_owned(), format!("attempt {attempt}, again at {again}: {error}"))
        }
        Fact::Stranded { reason } => (Mood::Bad, "stranded".to_owned(), reason.clone()),
        Fact::Exhausted { attempts, error, .. } => {
            (Mood::Bad, "gave up".to_owned(), format!("after {attempts} attempts, last: {error}"))
        }
        Fact::Forked { from_run, begins_at, reason, .. } => (
            Mood::Quiet,
            "forked".to_owned(),
            format!("from run {from_run} at {begins_at}, by {actor}: {reason}"),
        ),
        Fact::Paused { reason, .. } => (Mood::Bad, "paused".to_owned(), format!("by {actor}: {reason}")),
        Fact::Resumed { reason } => (Mood::Quiet, "resumed".to_owned(), format!("by {actor}: {reason}")),
        Fact::Cancelled { reason } => (Mood::Bad, "cancelled".to_owned(), format!("by {actor}: {reason}")),
        Fact::Hurried { reason } => (Mood::Quiet, "runs now".to_owned(), format!("by {actor}: {reason}")),
        Fact::Skipped { outcome, reason } => {
            (Mood::Bad, "skipped".to_owned(), format!("as {outcome}, by {actor}: {reason}"))
        }
        Fact::RetriedFrom { begins_at, reason } => {
            (Mood::Quiet, "sent".to_owned(), format!("to {begins_at}, by {actor}: {reason}"))
        }
        Fact::Other => (Mood::Quiet, "?".to_owned(), "a newer release knows what this is".to_owned()),
    }
}

fn mood(outcome: &str) -> Mood {
    match outcome {
        "opened" | "passed" | "clean" | "cleared" | "merged" => Mood::Good,
        "declined" | "closed" | "stopped" | "unfixable" | "conflict" | "refused" => Mood::Bad,
        _ => Mood::Busy,
    }
}

fn with_commits(note: &str, progress: &Progress) -> String {
    let mut commits = Vec::new();
    if let Some(head) = progress.head.as_deref().filter(|head| !note.contains(short(head))) {
        commits.push(format!("head {}", short(head)));
    }
    if let Some(merged) = progress.merged.as_deref().filter(|merged| !note.contains(short(merged))) {
        commits.push(format!("merged as {}", short(merged)));
    }
    if commits.is_empty() { note.to_owned() } else { format!("{note} ({})", commits.join(", ")) }
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
        check("generate", Fact::Started, "00:00:00  generate   started    by w1");
        check(
            "generate",
            answered("opened #7", progress.clone()),
            "00:00:00  generate   opened     opened #7 (head 0123456)",
        );
        check(
            "generate",
            answered("pushed 0123456", progress),
            "00:00:00  generate   opened     pushed 0123456",
        );
        check(
            "verdict",
            Fact::Signalled { topic: "checks".to_owned() },
            "00:00:00  verdict    news       about checks",
        );
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_shown() {
        let note = "a\u{1b}[2J\nb\u{202e}c";
        let fact = Fact::Stranded { reason: note.to_owned() };
        check("x", fact, "00:00:00  x          stranded   a\u{fffd}[2J b\u{fffd}c");
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        let fact = Fact::Woken;
        let event = Event { seq: 1, at: DateTime::UNIX_EPOCH, actor: String::new(), step: None, fact };
        assert!(!line(&event, Paint::Plain).contains('\u{1b}'));
        assert!(line(&event, Paint::Colour).contains("\u{1b}[2m"));
    }
}
