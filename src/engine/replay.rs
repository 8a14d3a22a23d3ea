//! Checking that every stored run is what its history folds to.

use super::{Engine, Error};
use crate::{
    core::workflow::Workflow,
    store::{
        invariant::{Broken, Verdict},
        replay::{self, History},
    },
};

/// How many runs are read at once.
const PER_READ: i64 = 200;

impl Engine {
    /// Folds the history of every run, compares the result with the stored run, and keeps at most `most`
    /// examples of those that differ. Runs are left out whose workflow this release cannot read, or whose
    /// history retention has deleted.
    ///
    /// # Errors
    /// [`Error::Store`] when the database does not answer.
    pub async fn replay_all(&self, most: usize) -> Result<Verdict, Error> {
        let says = "folding the history of a run gives the run as it is stored";
        let mut verdict = Verdict { name: "folds", says, count: 0, broken: Vec::new() };
        let mut after = None;
        loop {
            let runs = replay::runs_after(self.pool(), after, PER_READ).await?;
            let Some(last) = runs.last() else { return Ok(verdict) };
            after = Some(*last);
            for history in replay::histories(self.pool(), &runs).await? {
                let Ok(workflow) = self.workflow(&history.workflow_hash).await else { continue };
                let Some(what) = difference(&history, &workflow) else { continue };
                verdict.count += 1;
                if verdict.broken.len() < most {
                    verdict.broken.push(Broken { run: Some(history.id), what });
                }
            }
        }
    }
}

fn difference(history: &History, workflow: &Workflow) -> Option<String> {
    match history.read() {
        Ok(events) => history.differs(workflow, &events),
        Err(unreadable) => Some(unreadable),
    }
}
