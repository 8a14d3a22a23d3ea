//! Whether what is stored of every run is what its history makes of it.

use super::{Engine, Error};
use crate::{
    core::workflow::Workflow,
    store::{
        invariant::{Check, Violation},
        replay::{self, History},
    },
};

/// How many runs are read at once.
const TOGETHER: i64 = 200;

impl Engine {
    /// Folds the history of every run and compares, with at most `most` examples of those that differ. A run
    /// whose graph this release cannot read, or whose history was swept, is not judged.
    ///
    /// # Errors
    /// [`Error::Store`] when the database does not answer.
    pub async fn replay_all(&self, most: usize) -> Result<Check, Error> {
        let rule = "folding the history of a run gives the run as it is stored";
        let mut check = Check { name: "folds", rule, count: 0, violations: Vec::new() };
        let mut after = None;
        loop {
            let runs = replay::runs_after(self.pool(), after, TOGETHER).await?;
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
