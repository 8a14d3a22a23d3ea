//! What a run teaches: one function a cause. `docs/RETRO.md` is the same as a table.

mod gate;
mod model;
mod outside;
mod people;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{
    facts::{Call, Details},
    lesson::{Cost, Lesson, sort},
    rounds::Rounds,
};
use crate::measure::{self, Happening};

pub use self::outside::{TOO_WIDE, WAITS_FOR_PLACE};
pub(super) use self::outside::{incidents, is_of_incident};

/// All that the rules look at.
pub(in crate::retro) struct Seen<'a> {
    pub(in crate::retro) run: &'a measure::Facts,
    /// Up to the last end.
    pub(in crate::retro) history: &'a [Happening],
    pub(in crate::retro) details: &'a Details,
    pub(in crate::retro) rounds: &'a Rounds,
}

/// What a run teaches, the dearest first; each cause once.
pub(super) fn lessons(seen: &Seen<'_>) -> Vec<Lesson> {
    let mut all = gate::lessons(seen);
    all.extend(model::lessons(seen));
    all.extend(people::lessons(seen));
    all.extend(outside::lessons(seen));
    for lesson in &mut all {
        lesson.at = seen.run.ended_at;
    }
    all.extend(incidents(seen));
    sort(&mut all);
    all
}

impl Seen<'_> {
    /// Whether a change of ours ended without its merge.
    pub(in crate::retro) fn is_in_vain(&self) -> bool {
        self.run.is_ours && !self.run.is_merged && self.run.ended_as != "succeeded"
    }

    /// The call that followed on an answer in the same visit, which is made only if that was not taken.
    pub(in crate::retro) fn next_call(&self, call: &Call) -> Option<&Call> {
        let later = self.details.calls.iter().filter(|it| it.scope() == call.scope() && it.at > call.at);
        later.min_by_key(|it| it.at)
    }

    /// Whether the answer of a call was not taken: another one was asked for, or the step gave up over it.
    pub(in crate::retro) fn is_not_taken(&self, call: &Call) -> bool {
        if self.next_call(call).is_some() {
            return true;
        }
        let Some(done) = call.done_at else { return false };
        let ends = |event: &&Happening| {
            event.at >= done
                && matches!(event.kind.as_str(), "answered" | "parked" | "exhausted" | "cancelled")
        };
        self.history.iter().find(ends).is_some_and(|event| event.kind == "exhausted")
    }

    /// The last event.
    pub(in crate::retro) fn end(&self) -> DateTime<Utc> {
        self.history.last().map_or(self.run.ended_at, |event| event.at)
    }

    fn kinds<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'s Happening> {
        self.history.iter().filter(move |event| event.kind == kind)
    }

    fn answers<'s>(&'s self, step: &'s str, outcome: &'s str) -> impl Iterator<Item = &'s Happening> {
        self.kinds("answered").filter(move |event| {
            event.step.as_deref() == Some(step) && event.outcome.as_deref() == Some(outcome)
        })
    }

    /// Milliseconds from an event to the next of these kinds, or to the end.
    fn until(&self, from: &Happening, kinds: &[&str]) -> i64 {
        let next =
            self.history.iter().find(|event| event.at > from.at && kinds.contains(&event.kind.as_str()));
        ms(from.at, next.map_or_else(|| self.end(), |event| event.at))
    }

    /// What these rounds cost.
    fn cost_of(&self, rounds: &BTreeSet<usize>) -> Cost {
        let is_of = |call: &&Call| self.rounds.of_call(call).is_some_and(|round| rounds.contains(&round));
        Cost {
            rounds: count(rounds.len()),
            calls: count(self.details.calls.iter().filter(is_of).count()),
            wait_ms: 0,
        }
    }

    /// Whether the run ended without its change on one of these heads.
    fn ended_at(&self, heads: &BTreeSet<&str>) -> bool {
        self.is_in_vain() && self.rounds.last_head.as_deref().is_some_and(|head| heads.contains(head))
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn ms(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    (to - from).num_milliseconds().max(0)
}

/// How long, in words.
fn lasting(ms: i64) -> String {
    crate::words::seconds_in_words(u64::try_from(ms / 1000).unwrap_or_default())
}
