//! A new run from a step of an old one.

use uuid::Uuid;

use super::{Denied, Engine, Error, locked};
use crate::{
    core::{
        reason::Reason,
        run::{Event, Progress, Run, State},
        workflow::End,
    },
    store::{
        self, Connection, dead_letter, event,
        run::{RunSpec, StoredRun},
    },
};

impl Engine {
    /// Begins a new run of the same requirement at a step of the newest graph; tells its id. From the first
    /// step it makes a branch of its own; from a later one it takes over branch, pull request and what was
    /// reviewed there. The old run must have ended, and its change must not be merged.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Error::Denied`] and [`Error::Refused`] say why it cannot be and what to do.
    pub async fn fork(&self, from: Uuid, step: &str, actor: &str, reason: &Reason) -> Result<Uuid, Error> {
        let mut tx = self.pool().begin().await?;
        let fork = self.fork_in(&mut tx, from, step, actor, reason).await?;
        tx.commit().await?;
        Ok(fork)
    }

    /// Forks inside the caller's transaction.
    ///
    /// # Errors
    /// As [`Engine::fork`].
    pub async fn fork_in(
        &self,
        tx: &mut Connection,
        from: Uuid,
        step: &str,
        actor: &str,
        reason: &Reason,
    ) -> Result<Uuid, Error> {
        let old = locked(tx, from).await?;
        if !matches!(old.run.state, State::Ended { .. }) {
            return Err(Denied::GoesOn.into());
        }
        let succeeded = matches!(old.run.state, State::Ended { end: End::Succeeded, .. });
        if succeeded || old.run.progress.merged.is_some() {
            return Err(Denied::Merged.into());
        }
        let (id, workflow) = (Uuid::now_v7(), &self.requirement);
        let forked = |progress| Event::Forked {
            from_run: from,
            from_seq: u32::try_from(old.version).unwrap_or_default(),
            step: step.to_owned(),
            reason: reason.to_string(),
            progress,
        };
        let (branch, event) = if step == workflow.start {
            (format!("aspora/{}/{id}", old.spec.product), forked(Progress::default()))
        } else {
            (old.spec.branch.clone(), forked(old.run.progress.clone()))
        };
        let (run, actions) = Run::begin(workflow, &event, old.now)?;
        if branch == old.spec.branch {
            takes_over(tx, &old, &workflow.start).await?;
        }
        let spec = RunSpec {
            id,
            workflow_hash: workflow.hash.clone(),
            branch,
            parent: Some(from),
            ..old.spec.clone()
        };
        store::run::insert(tx, &spec, &run).await?;
        let (at, step, event) = (old.now, run.step(), &event);
        event::append(tx, event::New { run: id, seq: 1, at, actor, step, event, lease: None }).await?;
        self.act(tx, &spec, workflow, &actions).await?;
        dead_letter::mark_redriven(tx, from, actor).await?;
        Ok(id)
    }
}

/// The fork can go on where the old run ended: there is a pull request, and nobody else is at it.
async fn takes_over(tx: &mut Connection, old: &StoredRun, start: &str) -> Result<(), Error> {
    if old.run.progress.pull.is_none() || old.run.progress.head.is_none() {
        return Err(Denied::NoPull(start.to_owned()).into());
    }
    let (repository, branch) = (&old.spec.repository, &old.spec.branch);
    match store::run::live_on_branch(tx, repository, branch, old.spec.id).await? {
        Some(other) => Err(Denied::BranchTaken(other).into()),
        None => Ok(()),
    }
}
