//! What the model answered that could not be taken, and what it asked.

use chrono::{DateTime, Utc};

use super::{Seen, count, lasting, ms};
use crate::{
    retro::{
        facts::Call,
        lesson::{Cost, Lesson, ProposalKind},
    },
    words::counted,
};

/// Why an answer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The tests failed with it.
    Tests,
    /// Its case proves nothing.
    Proof,
    /// A person refused its dependencies.
    Dependencies,
    /// It could not be read, did not fit, or the forge declined what is in it.
    Form,
}

pub(super) fn lessons(seen: &Seen<'_>) -> Vec<Lesson> {
    [form(seen), proof(seen), questions(seen), declined(seen)].into_iter().flatten().collect()
}

impl Seen<'_> {
    /// The calls whose answers were not taken for this reason.
    pub(super) fn not_taken_for(&self, why: Why) -> impl Iterator<Item = &Call> {
        let answered = self.details.calls.iter().filter(|call| call.done_at.is_some());
        answered.filter(move |call| self.is_not_taken(call) && self.why(call) == why)
    }

    /// What came between an answer and the next call says why it was not taken.
    fn why(&self, call: &Call) -> Why {
        let until = self.next_call(call).map_or_else(|| self.after(call), |next| next.at);
        let is_between = |at: DateTime<Utc>| call.at <= at && at <= until;
        let mut tries = self.details.tries.iter().filter(|tried| is_between(tried.at)).peekable();
        let has_tries = tries.peek().is_some();
        if tries.any(|tried| tried.is_proof) {
            return Why::Proof;
        }
        if has_tries {
            return Why::Tests;
        }
        let is_refused =
            self.details.consents.iter().any(|it| it.is_refused && it.until.is_some_and(is_between));
        if is_refused { Why::Dependencies } else { Why::Form }
    }

    fn after(&self, call: &Call) -> DateTime<Utc> {
        let next = self.history.iter().find(|event| event.at >= call.done_at.unwrap_or(call.at));
        next.map_or_else(|| self.end(), |event| event.at)
    }
}

fn form(seen: &Seen<'_>) -> Option<Lesson> {
    let calls = count(seen.not_taken_for(Why::Form).count());
    let lesson = Lesson::new(
        "form",
        Cost { calls, ..Cost::default() },
        format!("{} of the model could not be used as written", counted(calls, "answer")),
        "edits that are copied from the file as it is shown, or whole files where many lines change",
    );
    let text = "Answers could not be applied to the files. Copy the lines of an edit exactly as the file is shown, and give a \
                whole file where much of it changes.";
    let title = "Note how answers must fit the files";
    (calls > 0).then(|| lesson.proposing(ProposalKind::PromptNote, title, text))
}

fn proof(seen: &Seen<'_>) -> Option<Lesson> {
    let calls = count(seen.not_taken_for(Why::Proof).count());
    let lesson = Lesson::new(
        "proof",
        Cost { calls, ..Cost::default() },
        format!("{} of a harness gap proved nothing", counted(calls, "case")),
        "a report that says how the incident shows, and what was expected",
    );
    let text = "Cases of harness gaps proved nothing at first. A case must load on the base and fail there by an assertion of what \
                was expected.";
    (calls > 0).then(|| lesson.proposing(ProposalKind::PromptNote, "Note how a case shows an incident", text))
}

fn questions(seen: &Seen<'_>) -> Option<Lesson> {
    let rounds = &seen.details.questions;
    let asked: u32 = rounds.iter().map(|round| round.questions).sum();
    let wait_ms = rounds.iter().map(|round| ms(round.at, round.until.unwrap_or_else(|| seen.end()))).sum();
    let lesson = Lesson::new(
        "questions",
        Cost { calls: count(rounds.len()), wait_ms, rounds: 0 },
        format!(
            "the model asked {} in {}, which waited {} for people",
            counted(asked, "question"),
            counted(rounds.len(), "message"),
            lasting(wait_ms)
        ),
        "the answers in the requirement, or in the specification if they are always the same",
    );
    let text = "Models asked people the same kind of question again and again. Write the answer here, or into the specification.";
    (!rounds.is_empty())
        .then(|| lesson.proposing(ProposalKind::PromptNote, "Answer what models ask again and again", text))
}

fn declined(seen: &Seen<'_>) -> Option<Lesson> {
    let declined = seen.answers("generate", "declined").chain(seen.answers("reproduce", "declined")).count();
    let calls = count(seen.details.calls.len());
    let lesson = Lesson::new(
        "declined",
        Cost { calls, ..Cost::default() },
        "the model said that the change cannot be made",
        "what it lacks in the requirement or the specification",
    );
    let text =
        "Models declined several requirements. Say here what they took for impossible and how it is done.";
    (declined > 0 && seen.is_in_vain())
        .then(|| lesson.proposing(ProposalKind::PromptNote, "Say how what was declined is done", text))
}
