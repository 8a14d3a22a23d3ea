//! Runs checks again whose machinery failed: nothing in the code is wrong, so no model could help.

use super::{
    Failure,
    attempt::Attempt,
    ledger::{Reran, RerunIntent},
};
use crate::{
    core::policy::{Assessment, RerunOf},
    github::Kind,
};

impl Attempt<'_> {
    /// Asks for every re-run that the assessment names, each once.
    pub(super) async fn rerun_checks(&self, assessment: &Assessment) -> Result<(), Failure> {
        let mut asked: Vec<&RerunOf> = Vec::new();
        for rerun in assessment.checks().iter().filter_map(|row| row.rerun.as_ref()) {
            if !asked.contains(&rerun) {
                self.rerun(assessment, rerun).await?;
                asked.push(rerun);
            }
        }
        Ok(())
    }

    async fn rerun(&self, assessment: &Assessment, rerun: &RerunOf) -> Result<(), Failure> {
        let (forge, head) = (&self.factory.forge, assessment.head());
        let key = format!("rerun/{}/{}.{}", head.short(), rerun.workflow_run, rerun.attempt);
        let intent = RerunIntent { workflow_run: rerun.workflow_run, attempt: rerun.attempt };
        let reran = |refused| Reran {
            workflow_run: rerun.workflow_run,
            attempt: rerun.attempt,
            head: head.clone(),
            refused,
        };
        // An attempt that was asked for has a greater number.
        let find = async {
            let run = forge.workflow_run(&self.repo, rerun.workflow_run).await?;
            Ok((run.run_attempt > rerun.attempt).then(|| reran(None)))
        };
        let act = async {
            match forge.rerun_failed_jobs(&self.repo, rerun.workflow_run).await {
                Ok(()) => Ok(reran(None)),
                Err(error) if is_refusal(error.kind()) => Ok(reran(Some(error.to_string()))),
                Err(error) => Err(error.into()),
            }
        };
        self.once::<RerunIntent>(&key, &intent, find, act).await?;
        Ok(())
    }
}

/// Whether the forge has understood the request and does not do it.
const fn is_refusal(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Forbidden | Kind::NotFound | Kind::Validation | Kind::Conflict | Kind::Gone | Kind::Refused
    )
}
