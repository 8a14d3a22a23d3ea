//! Where a run is, on one line for people, and what went back to the model on its way.

use crate::{
    api::{Event, Fact, Run},
    cli::text::short,
    core::words::counted,
};

/// The step of a run, the round of its remediation, and what it does or waits for.
pub(super) fn line(run: &Run) -> String {
    let step = run.step.as_deref().unwrap_or("");
    let does = match run.state.as_str() {
        "waiting" => format!("waits for {}", run.waiting_for.as_deref().unwrap_or("others")),
        "paused" => format!("is paused: {}", run.paused.as_ref().map_or("", |it| it.reason.as_str())),
        "ended" => return end(run),
        _ => does(step).to_owned(),
    };
    let round = run.visits.get("remediate").map(|round| format!("round {round}, ")).unwrap_or_default();
    format!("{step:<9} {round}{does}")
}

fn end(run: &Run) -> String {
    match &run.progress.merged {
        Some(merged) => format!("merged as {}", short(merged)),
        None => {
            format!("{}: {}", run.ended_as.as_deref().unwrap_or("ended"), run.reason.as_deref().unwrap_or(""))
        }
    }
}

fn does(step: &str) -> &'static str {
    match step {
        "reproduce" => "the model writes a case, which must fail on the base by an assertion",
        "close" => "the merged case stops the clock",
        "generate" => "the model writes, and its tests run before the push",
        "gate" | "recheck" => "the policy judges the files and our run of the tests",
        "review" | "rerun" => "the change is reviewed",
        "remediate" => "the model fixes it, and its tests run before the push",
        "verdict" => "every fact of this head is judged",
        "update" => "the branch takes over the base",
        "merge" => "the cleared head is merged",
        _ => "",
    }
}

/// What an event sent back to the model, in a sentence; nothing for any other event.
pub(super) fn sent_back(event: &Event) -> Option<String> {
    let (Fact::Answered { outcome, note, .. }, Some(step)) = (&event.fact, &event.step) else { return None };
    matches!(outcome.as_str(), "blocked" | "findings").then(|| format!("{step} sent it back: {note}"))
}

/// Drafts whose own tests were red, in a sentence; nothing without one.
pub(super) fn red_drafts(drafts: usize) -> Option<String> {
    (drafts > 0).then(|| {
        format!("its own tests sent back {}: nothing of that was pushed", counted(drafts, "red draft"))
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::api::Progress;

    fn answered(step: &str, outcome: &str) -> Event {
        let (outcome, note) = (outcome.to_owned(), "2 actionable".to_owned());
        Event {
            seq: 1,
            at: DateTime::UNIX_EPOCH,
            actor: "worker".to_owned(),
            step: Some(step.to_owned()),
            fact: Fact::Answered { turn: 1, outcome, note, progress: Progress::default() },
        }
    }

    #[test]
    fn what_was_sent_back_is_what_the_gate_the_review_and_the_own_tests_refused() {
        let said = sent_back(&answered("review", "findings"));
        assert_eq!(said.as_deref(), Some("review sent it back: 2 actionable"));
        assert!(sent_back(&answered("gate", "blocked")).is_some());
        assert_eq!(sent_back(&answered("gate", "passed")), None);
        assert_eq!(red_drafts(0), None);
        assert!(red_drafts(2).is_some_and(|said| said.contains("2 red drafts")));
    }
}
