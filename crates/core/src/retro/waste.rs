//! What of a run was for nothing. A call and a moment are in one part at most, so that the parts add up.

use serde::{Deserialize, Serialize};

use super::{
    facts::Call,
    rounds::REMEDIATE,
    rules::Seen,
    spans::{Span, covered},
};

/// What was for nothing, in parts that share nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waste {
    /// Answers of the model that were not taken.
    pub unusable: Wasted,
    /// Attempts that failed or were lost, and calls without an answer.
    pub failed: Wasted,
    /// Rounds of remediation, with the reviews of what they pushed.
    pub rounds: Wasted,
    /// Everything else of a run that ended without its change.
    pub in_vain: Wasted,
}

/// What one part comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wasted {
    /// Calls of the model.
    pub calls: u32,
    /// The tokens that they used.
    pub tokens: i64,
    /// What these cost, in millionths of a dollar.
    pub micro_dollars: i64,
    /// Milliseconds of attempts.
    pub ms: i64,
}

impl Waste {
    /// The parts with their names, in the order in which they are set apart.
    #[must_use]
    pub const fn parts(&self) -> [(&'static str, Wasted); 4] {
        [
            ("unusable", self.unusable),
            ("failed", self.failed),
            ("rounds", self.rounds),
            ("in_vain", self.in_vain),
        ]
    }

    /// All parts together.
    #[must_use]
    pub fn total(&self) -> Wasted {
        self.parts().iter().fold(Wasted::default(), |sum, (_, part)| Wasted {
            calls: sum.calls.saturating_add(part.calls),
            tokens: sum.tokens.saturating_add(part.tokens),
            micro_dollars: sum.micro_dollars.saturating_add(part.micro_dollars),
            ms: sum.ms.saturating_add(part.ms),
        })
    }
}

impl Wasted {
    /// Whether nothing was wasted.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, call: &Call) {
        self.calls = self.calls.saturating_add(1);
        self.tokens = self.tokens.saturating_add(call.tokens);
        self.micro_dollars = self.micro_dollars.saturating_add(call.micro_dollars);
    }
}

pub(super) fn of(seen: &Seen<'_>) -> Waste {
    let mut waste = Waste::default();
    for call in &seen.details.calls {
        if call.done_at.is_none() {
            waste.failed.add(call);
        } else if seen.is_not_taken(call) {
            waste.unusable.add(call);
        } else if seen.rounds.of_call(call).is_some() {
            waste.rounds.add(call);
        } else if seen.is_in_vain() {
            waste.in_vain.add(call);
        }
    }
    let mut spans = Vec::new();
    let mut before = 0;
    for (part, its) in [
        (&mut waste.unusable, unusable(seen)),
        (&mut waste.failed, failed(seen)),
        (&mut waste.rounds, rounds(seen)),
        (&mut waste.in_vain, if seen.is_in_vain() { attempts(seen) } else { Vec::new() }),
    ] {
        spans.extend(its);
        let now = covered(&spans);
        part.ms = now - before;
        before = now;
    }
    waste
}

/// From a call whose answer was not taken to the next one, with the tests between them.
fn unusable(seen: &Seen<'_>) -> Vec<Span> {
    let all = seen.details.calls.iter().filter(|call| call.done_at.is_some() && seen.is_not_taken(call));
    all.filter_map(|call| Some((call.at, seen.next_call(call).map_or(call.done_at, |next| Some(next.at))?)))
        .collect()
}

fn failed(seen: &Seen<'_>) -> Vec<Span> {
    let failed = seen.history.iter().filter(|event| matches!(event.kind.as_str(), "failed" | "exhausted"));
    let failed = failed.filter_map(|event| Some((event.began_at?, event.at)));
    failed.chain(seen.details.lost.iter().copied()).collect()
}

/// The attempts of rounds, and those that judge and review what a round pushed before anything else happens.
fn rounds(seen: &Seen<'_>) -> Vec<Span> {
    let is_of_round = |event: &&crate::measure::Happening| match event.step.as_deref() {
        Some(REMEDIATE) => true,
        Some("recheck" | "rerun") => seen.rounds.last_push_is_a_round(event.at),
        _ => false,
    };
    let all = seen.history.iter().filter(is_of_round);
    all.filter_map(|event| Some((event.began_at?, event.at))).collect()
}

fn attempts(seen: &Seen<'_>) -> Vec<Span> {
    seen.history.iter().filter_map(|event| Some((event.began_at?, event.at))).collect()
}
