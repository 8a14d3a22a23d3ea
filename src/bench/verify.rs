//! Checks that nothing was lost or done twice: folds the histories of all runs again.

use std::collections::HashMap;

use uuid::Uuid;

use crate::{
    core::{run::Event, workflow::Workflow},
    store::{
        Pool,
        replay::{self, History},
    },
};

/// How many runs are read at once.
const CHUNK: usize = 1_000;
/// How many faulty runs are described.
const DESCRIBED: usize = 3;

/// The result of checking the runs of a measurement.
#[derive(Debug, Default)]
pub(super) struct Verification {
    /// Steps that were answered, by the histories.
    pub(super) answered: usize,
    /// How many runs are faulty: lost, done twice, or unfinished.
    pub(super) faulty: usize,
    /// How many of those are sound as far as they came, but have not ended.
    pub(super) unfinished: usize,
    described: Vec<String>,
}

impl Verification {
    /// Checks every run: it must have succeeded with `steps` answers, without a gap, and fold to what is stored.
    pub(super) async fn of(
        pool: &Pool,
        workflow: &Workflow,
        runs: &[Uuid],
        steps: usize,
    ) -> anyhow::Result<Self> {
        let mut verification = Self::default();
        for chunk in runs.chunks(CHUNK) {
            let histories = replay::histories(pool, chunk).await?;
            let mut found: HashMap<Uuid, History> =
                histories.into_iter().map(|history| (history.id, history)).collect();
            for run in chunk {
                verification.check(workflow, *run, found.remove(run).as_ref(), steps);
            }
        }
        Ok(verification)
    }

    /// How many runs were lost or done twice.
    pub(super) const fn lost(&self) -> usize {
        self.faulty - self.unfinished
    }

    /// No run is faulty.
    pub(super) const fn is_sound(&self) -> bool {
        self.faulty == 0
    }

    /// Adds the result of another measurement.
    pub(super) fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.faulty += other.faulty;
        self.unfinished += other.unfinished;
        self.described.extend(other.described);
        self.described.truncate(DESCRIBED);
    }

    /// A sentence about the faulty runs, for people.
    pub(super) fn sentence(&self) -> String {
        let lost = self.lost();
        format!(
            "{lost} runs were lost or done twice, {} are unfinished: {}",
            self.unfinished,
            self.described.join("; ")
        )
    }

    fn check(&mut self, workflow: &Workflow, run: Uuid, history: Option<&History>, steps: usize) {
        let fault = match history.map(|history| (history, history.read())) {
            None => Some(Fault::Lost("it is missing".to_owned())),
            Some((_, Err(unreadable))) => Some(Fault::Lost(unreadable)),
            Some((history, Ok(events))) => {
                let answered = |event: &&Event| matches!(event, Event::Answered { .. });
                let answers = events.iter().filter(answered).count();
                self.answered += answers;
                fault(workflow, history, &events, steps, answers)
            }
        };
        let Some(fault) = fault else { return };
        self.faulty += 1;
        self.unfinished += usize::from(matches!(fault, Fault::Unfinished(_)));
        let (Fault::Lost(what) | Fault::Unfinished(what)) = fault;
        if self.described.len() < DESCRIBED {
            self.described.push(format!("{run}: {what}"));
        }
    }
}

/// What is wrong with a run.
enum Fault {
    /// Something is missing or was done twice.
    Lost(String),
    /// The run is sound, but has not ended.
    Unfinished(String),
}

fn fault(
    workflow: &Workflow,
    history: &History,
    events: &[Event],
    steps: usize,
    answers: usize,
) -> Option<Fault> {
    let gapless = (1..=history.version).eq(history.seqs.iter().copied());
    if !gapless {
        let gaps = format!("its history has gaps: {:?} of {}", history.seqs, history.version);
        return Some(Fault::Lost(gaps));
    }
    if let Some(difference) = history.differs(workflow, events) {
        return Some(Fault::Lost(difference));
    }
    match history.state["state"]["is"].as_str() {
        Some("ended") if history.state["state"]["end"] == "succeeded" && answers == steps => None,
        Some("ended") => Some(Fault::Lost(format!("it ended after {answers} of {steps} answers"))),
        state => {
            let state = state.unwrap_or("in no state");
            Some(Fault::Unfinished(format!("it is {state}, after {answers} of {steps} steps")))
        }
    }
}
