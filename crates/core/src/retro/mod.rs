//! The look back at a run that has ended: what was wasted, where the time went, and what would have avoided it.
//!
//! [`LookBack::of`] reads it out of what is recorded; nothing is made up. Each [`Lesson`] has a cause with a stable key. When
//! the same cause comes in several runs of one product, a [proposal](filing) is filed, which people accept or dismiss.

mod facts;
pub mod filing;
mod lesson;
mod note;
mod rounds;
mod rules;
mod spans;
mod text;
mod waste;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    facts::{
        Asked, Blocked, Call, Captured, Cleared, ConsentAsked, Details, Found, Held, Incident, Raised,
        Remark, Tried,
    },
    lesson::{Cost, Lesson, ProposalKind, Proposed, UnknownKind},
    note::{MOST_NOTES, NOTE_LIMIT, Note},
    rules::{TOO_WIDE, WAITS_FOR_PLACE},
    text::{KEY_LIMIT, key},
    waste::{Waste, Wasted},
};
use self::{rounds::Rounds, rules::Seen};
use crate::{
    measure::{self, Happening, spent},
    words::counted,
};

/// What a look back at one ended run says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookBack {
    /// How many rounds of remediation it took.
    pub rounds: u32,
    /// What was for nothing.
    pub waste: Waste,
    /// Where the time from the submission to the end went, in milliseconds by cause; it adds up.
    pub time: BTreeMap<String, i64>,
    /// What it teaches, the dearest first; empty for a clean run.
    pub lessons: Vec<Lesson>,
}

impl LookBack {
    /// What a run that has ended says; `None` where retention has deleted its history: there is no data, which is not zero.
    #[must_use]
    pub fn of(run: &measure::Facts, details: &Details) -> Option<Self> {
        let history = lived(run.history.as_deref()?);
        let details = details.sorted();
        let rounds = Rounds::of(history, &details);
        let seen = Seen { run, history, details: &details, rounds: &rounds };
        Some(Self {
            rounds: u32::try_from(rounds.all.len()).unwrap_or(u32::MAX),
            waste: waste::of(&seen),
            time: spent(run.submitted_at, history).by_cause,
            lessons: rules::lessons(&seen),
        })
    }

    /// The same run, of which only what may come after the deletion of its history is read again: its incidents.
    #[must_use]
    pub fn with_later(&self, run: &measure::Facts, details: &Details) -> Self {
        let details = details.sorted();
        let rounds = Rounds::default();
        let later = rules::incidents(&Seen { run, history: &[], details: &details, rounds: &rounds });
        let kept = self.lessons.iter().filter(|lesson| !rules::is_of_incident(&lesson.cause)).cloned();
        let mut lessons: Vec<Lesson> = kept.chain(later).collect();
        lesson::sort(&mut lessons);
        Self { lessons, ..self.clone() }
    }

    /// The whole in a sentence, without its full stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        if self.lessons.is_empty() && self.waste.total().is_nothing() {
            return "a clean run: no round, nothing wasted, and no lesson".to_owned();
        }
        let calls = self.waste.total().calls;
        format!(
            "{}, {} for nothing, {}",
            counted(self.rounds, "round"),
            counted(calls, "model call"),
            counted(self.lessons.len(), "lesson")
        )
    }
}

/// The history up to the last end: what comes after it is no work of the run. Events after an end have no step.
fn lived(history: &[Happening]) -> &[Happening] {
    let end = history.iter().rposition(|event| event.step.is_some());
    &history[..end.map_or(history.len().min(1), |end| end + 1)]
}
