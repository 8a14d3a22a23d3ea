//! Whether anything was lost or done twice: the histories of all runs, folded again.

use std::collections::HashMap;

use uuid::Uuid;

use crate::{
    core::{
        run::{Event, Run, State},
        workflow::{End, Workflow},
    },
    store::{Pool, audit::History},
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
    /// How many runs are not what they should be.
    pub(super) wrong: usize,
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
            let histories = crate::store::audit::histories(pool, some).await?;
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
        self.told.extend(other.told);
        self.told.truncate(TOLD);
    }

    /// The first few things that are wrong, for people.
    pub(super) fn sentence(&self) -> String {
        format!("{} runs were lost or done twice, such as: {}", self.wrong, self.told.join("; "))
    }

    fn look(&mut self, workflow: &Workflow, run: Uuid, history: Option<&History>, steps: usize) {
        let answers = |history: &History| {
            history.events.iter().filter(|event| matches!(event.0, Event::Answered { .. })).count()
        };
        self.answered += history.map_or(0, answers);
        let wrong = match history {
            None => Some("it is not there".to_owned()),
            Some(history) => fault(workflow, history, steps, answers(history)),
        };
        if let Some(wrong) = wrong {
            self.wrong += 1;
            if self.told.len() < TOLD {
                self.told.push(format!("{run}: {wrong}"));
            }
        }
    }
}

fn fault(workflow: &Workflow, history: &History, steps: usize, answers: usize) -> Option<String> {
    let whole = (1..=history.version).eq(history.seqs.iter().copied());
    if !whole {
        return Some(format!("its history has gaps: {:?} of {}", history.seqs, history.version));
    }
    match fold(workflow, history) {
        Err(refused) => Some(refused),
        Ok(run) if run != history.state.0 => Some("its history folds to another state".to_owned()),
        Ok(run) if !matches!(run.state, State::Ended { end: End::Succeeded, .. }) => {
            Some(format!("it is {}, after {answers} of {steps} steps", run.state.word()))
        }
        Ok(_) if answers != steps => Some(format!("it was answered {answers} times, not {steps}")),
        Ok(_) => None,
    }
}

fn fold(workflow: &Workflow, history: &History) -> Result<Run, String> {
    let mut past = history.events.iter().map(|event| &event.0).zip(&history.ats);
    let Some((Event::Started, at)) = past.next() else { return Err("it never started".to_owned()) };
    let (mut run, _) = Run::start(workflow, *at).map_err(|refused| refused.to_string())?;
    for (event, at) in past {
        (run, _) = run.apply(workflow, event, *at).map_err(|refused| refused.to_string())?;
    }
    Ok(run)
}
