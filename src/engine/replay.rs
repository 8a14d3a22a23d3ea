//! Whether what is stored of every run is what its history makes of it.

use super::{Engine, Error};
use crate::{
    core::workflow::Workflow,
    store::{
        invariant::{Broken, Verdict},
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
    pub async fn replay_all(&self, most: usize) -> Result<Verdict, Error> {
        let says = "folding the history of a run gives the run as it is stored";
        let mut verdict = Verdict { name: "folds", says, count: 0, broken: Vec::new() };
        let mut after = None;
        loop {
            let runs = replay::runs_after(self.pool(), after, TOGETHER).await?;
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
