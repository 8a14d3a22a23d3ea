//! Whether anything was lost or done twice: the histories of all runs, folded again.

use std::collections::HashMap;

use uuid::Uuid;

use crate::{
    core::{run::Event, workflow::Workflow},
    store::{Pool, replay::History},
};

/// How many runs are read at once.
const TOGETHER: usize = 1_000;
/// How many wrong runs are told.
const TOLD: usize = 3;

/// What became of the runs of one measurement.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// Steps that were answered, by the histories.
    pub(super) answered: usize,
    /// How many runs are not what they should be: lost, done twice, or not at their end.
    pub(super) wrong: usize,
    /// How many of those are sound as far as they came, but not at their end.
    pub(super) unfinished: usize,
    told: Vec<String>,
}

impl Audit {
    /// Reads every run: it must have succeeded with `steps` answers, without a gap, and fold to what is stored.
    pub(super) async fn of(
        pool: &Pool,
        workflow: &Workflow,
        runs: &[Uuid],
        steps: usize,
    ) -> anyhow::Result<Self> {
        let mut audit = Self::default();
        for some in runs.chunks(TOGETHER) {
            let histories = crate::store::replay::histories(pool, some).await?;
            let mut found: HashMap<Uuid, History> =
                histories.into_iter().map(|history| (history.id, history)).collect();
            for run in some {
                audit.look(workflow, *run, found.remove(run).as_ref(), steps);
            }
        }
        Ok(audit)
    }

    /// Nothing is wrong.
    pub(super) const fn is_sound(&self) -> bool {
        self.wrong == 0
    }

    /// Adds what another measurement came to.
    pub(super) fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.wrong += other.wrong;
        self.unfinished += other.unfinished;
        self.told.extend(other.told);
        self.told.truncate(TOLD);
    }

    /// The first few things that are wrong, for people.
    pub(super) fn sentence(&self) -> String {
        let lost = self.wrong - self.unfinished;
        format!(
            "{lost} runs were lost or done twice, {} are unfinished: {}",
            self.unfinished,
            self.told.join("; ")
        )
    }

    fn look(&mut self, workflow: &Workflow, run: Uuid, history: Option<&History>, steps: usize) {
        let fault = match history.map(|history| (history, history.read())) {
            None => Some(Fault::Lost("it is not there".to_owned())),
            Some((_, Err(unreadable))) => Some(Fault::Lost(unreadable)),
            Some((history, Ok(events))) => {
                let answered = |event: &&Event| matches!(event, Event::Answered { .. });
                let answers = events.iter().filter(answered).count();
                self.answered += answers;
                fault(workflow, history, &events, steps, answers)
            }
        };
        let Some(fault) = fault else { return };
        self.wrong += 1;
        self.unfinished += usize::from(matches!(fault, Fault::Unfinished(_)));
        let (Fault::Lost(what) | Fault::Unfinished(what)) = fault;
        if self.told.len() < TOLD {
            self.told.push(format!("{run}: {what}"));
        }
    }
}

/// What is wrong with a run.
enum Fault {
    /// Something is missing, or there twice.
    Lost(String),
    /// All is sound, only not done.
    Unfinished(String),
}

fn fault(
    workflow: &Workflow,
    history: &History,
    events: &[Event],
    steps: usize,
    answers: usize,
) -> Option<Fault> {
    let whole = (1..=history.version).eq(history.seqs.iter().copied());
    if !whole {
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
            let state = state.unwrap_or("nowhere");
            Some(Fault::Unfinished(format!("it is {state}, after {answers} of {steps} steps")))
        }
    }
}
