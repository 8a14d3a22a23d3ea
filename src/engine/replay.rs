//! Checking that every stored run is what its history folds to.

use super::{Engine, Error};
use crate::{
    core::workflow::Workflow,
    store::{
        invariant::{Check, Violation},
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
    pub async fn replay_all(&self, most: usize) -> Result<Check, Error> {
        let rule = "folding the history of a run gives the run as it is stored";
        let mut check = Check { name: "folds", rule, count: 0, violations: Vec::new() };
        let mut after = None;
        loop {
            let runs = replay::runs_after(self.pool(), after, PER_READ).await?;
            let Some(last) = runs.last() else { return Ok(check) };
            after = Some(*last);
            for history in replay::histories(self.pool(), &runs).await? {
                let Ok(workflow) = self.workflow(&history.workflow_hash).await else { continue };
                let Some(what) = difference(&history, &workflow) else { continue };
                check.count += 1;
                if check.violations.len() < most {
                    check.violations.push(Violation { run: Some(history.id), what });
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
