//! An event in a sentence for people, the same on pages, in terminals and in notes.

use super::run::Event;

/// What `event` says of a run that was at `step`, in one line without a full stop.
#[must_use]
pub fn sentence(step: Option<&str>, event: &Event) -> String {
    let step = step.unwrap_or("the run");
    let said = match event {
        Event::Started => format!("started at {step}"),
        Event::Answered { outcome, note, .. } if note.trim().is_empty() => {
            format!("{step} answered {outcome}")
        }
        Event::Answered { outcome, note, .. } => format!("{step} answered {outcome}: {note}"),
        Event::Parked { park, .. } => format!("{step} waits for {}", park.reason),
        Event::Signalled { topic } => format!("{step} goes on: news of {}", topic.as_str()),
        Event::Woken => format!("{step} looks again: its time came"),
        Event::Failed { attempt, error, .. } => format!("{step} failed in attempt {attempt}: {error}"),
        Event::Stranded { reason } => format!("this release cannot go on: {reason}"),
        Event::Exhausted { attempts, error, .. } => {
            format!("{step} gave up after {}: {error}", counted(*attempts, "attempt"))
        }
        Event::Forked { from_run, step, reason, .. } => {
            format!("forked from run {from_run} at {step}: {reason}")
        }
        Event::Paused { reason, .. } => format!("{step} paused: {reason}"),
        Event::Resumed { reason } => format!("{step} resumed: {reason}"),
        Event::Cancelled { reason } => format!("{step} cancelled: {reason}"),
        Event::Hurried { reason } => format!("{step} runs now: {reason}"),
        Event::Skipped { outcome, reason } => format!("{step} skipped as {outcome}: {reason}"),
        Event::RetriedFrom { step: to, reason } => format!("sent back to {to}: {reason}"),
    };
    one_line(&said)
}

/// "1 attempt", "3 attempts".
#[must_use]
pub fn counted(count: u32, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Foreign text may hold line breaks and control characters; a line of a log may not.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{
        run::{Park, Progress, Topic},
        workflow::Outcome,
    };

    #[track_caller]
    fn check(event: &Event, expected: &str) {
        assert_eq!(sentence(Some("review"), event), expected);
    }

    fn answered(note: &str) -> Event {
        let progress = Progress::default();
        Event::Answered { turn: 1, outcome: Outcome::Findings, note: note.to_owned(), progress }
    }

    #[test]
    fn every_event_has_its_sentence() {
        let at = DateTime::UNIX_EPOCH;
        let park = Park { reason: "2 checks".to_owned(), topics: vec![Topic::Checks], until: at };
        let error = "the model timed out".to_owned();
        check(&Event::Started, "started at review");
        check(&answered("2 actionable (1 blocking)"), "review answered findings: 2 actionable (1 blocking)");
        check(&answered(" "), "review answered findings");
        check(&Event::Parked { turn: 1, park, progress: Progress::default() }, "review waits for 2 checks");
        check(&Event::Signalled { topic: Topic::Checks }, "review goes on: news of checks");
        check(&Event::Woken, "review looks again: its time came");
        check(
            &Event::Failed { turn: 1, attempt: 2, error: error.clone(), retry_at: at },
            "review failed in attempt 2: the model timed out",
        );
        check(
            &Event::Exhausted { turn: 1, attempts: 1, error },
            "review gave up after 1 attempt: the model timed out",
        );
        check(&Event::Stranded { reason: "no `lint`".to_owned() }, "this release cannot go on: no `lint`");
    }

    #[test]
    fn a_sentence_is_one_line_whatever_a_note_holds() {
        check(&answered("a\r\n  b\u{1b}[31m\0c"), "review answered findings: a b [31m c");
    }

    #[test]
    fn a_run_without_a_step_is_named_as_such() {
        assert_eq!(sentence(None, &Event::Woken), "the run looks again: its time came");
    }
}
