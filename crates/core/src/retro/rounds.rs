//! The rounds of remediation of a run: which head each of them fixed, and which calls it took.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::facts::{Call, Details};
use crate::measure::Happening;

/// The step that fixes what was found; its name is that of every workflow of ours.
pub(super) const REMEDIATE: &str = "remediate";
/// The steps that review a head.
const REVIEWS: [&str; 2] = ["review", "rerun"];

/// A round.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Round {
    /// The head that it fixed, as far as the history says.
    head: Option<String>,
    /// When it was answered.
    at: DateTime<Utc>,
    /// The visit of the step, as its calls name it.
    visit: Option<String>,
}

/// The rounds, and what follows from them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rounds {
    /// The rounds, the first one first.
    pub(super) all: Vec<Round>,
    /// The last head.
    pub(super) last_head: Option<String>,
    /// When a head was pushed, and by which round; `None`: by another step.
    pushes: Vec<(DateTime<Utc>, Option<usize>)>,
}

impl Rounds {
    pub(super) fn of(history: &[Happening], details: &Details) -> Self {
        let mut rounds = Self::default();
        for event in history {
            let is_round = event.is_round();
            if event.outcome.as_deref() == Some("pushed") {
                rounds.pushes.push((event.at, is_round.then_some(rounds.all.len())));
            }
            if is_round {
                let (head, at) = (rounds.last_head.clone(), event.at);
                rounds.all.push(Round { head, at, visit: None });
            }
            if event.head.is_some() {
                rounds.last_head.clone_from(&event.head);
            }
        }
        for call in details.calls.iter().filter(|call| call.step() == REMEDIATE) {
            if let Some(round) = rounds.of_call(call) {
                let visit = call.scope().split('/').next().map(str::to_owned);
                rounds.all[round].visit = visit;
            }
        }
        rounds
    }

    /// The round that a call was made for: to fix something, or to review the fix.
    pub(super) fn of_call(&self, call: &Call) -> Option<usize> {
        match call.step() {
            REMEDIATE => self.all.iter().position(|round| round.at >= call.at),
            step if REVIEWS.contains(&step) => {
                self.pushes.iter().rev().find(|(at, _)| *at <= call.at).and_then(|(_, by)| *by)
            }
            _ => None,
        }
    }

    /// Whether a review at this time is of a head that another step than a round pushed, such as one with a newer base.
    pub(super) fn is_after_update(&self, call: &Call) -> bool {
        let last = self.pushes.iter().rev().find(|(at, _)| *at <= call.at);
        REVIEWS.contains(&call.step()) && last.is_some_and(|(_, by)| by.is_none())
    }

    /// Whether the last push before a time was a round's.
    pub(super) fn last_push_is_a_round(&self, at: DateTime<Utc>) -> bool {
        self.pushes.iter().rev().find(|(pushed, _)| *pushed < at).is_some_and(|(_, by)| by.is_some())
    }

    /// The rounds that fixed one of these heads.
    pub(super) fn at(&self, heads: &BTreeSet<&str>) -> BTreeSet<usize> {
        let is_at = |round: &Round| round.head.as_deref().is_some_and(|head| heads.contains(head));
        self.all.iter().enumerate().filter(|(_, round)| is_at(round)).map(|(place, _)| place).collect()
    }

    /// The rounds whose visits are these.
    pub(super) fn of_visits(&self, visits: &BTreeSet<&str>) -> BTreeSet<usize> {
        let is_of = |round: &Round| round.visit.as_deref().is_some_and(|visit| visits.contains(visit));
        self.all.iter().enumerate().filter(|(_, round)| is_of(round)).map(|(place, _)| place).collect()
    }
}
