//! Forking: a new run from a step of an ended one.

use uuid::Uuid;

use super::{Denied, Engine, Error, advance::lock, record};
use crate::{
    core::{
        branch,
        reason::Reason,
        run::{Event, Progress, Run, State},
        workflow::End,
    },
    store::{
        self, Connection,
        audit::Author,
        dead_letter, event,
        run::{RunSpec, StoredRun},
    },
};

impl Engine {
    /// Begins a new run about the same subject at a step of the newest workflow, and returns its id. From the
    /// first step it gets a branch of its own; from a later step it takes over the branch, the pull request and
    /// its reviews. The old run must have ended, and its change must not be merged.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Error::Denied`] and [`Error::Refused`] say why the run cannot be forked, and what to
    /// do about it.
    pub async fn fork(
        &self,
        from: Uuid,
        step: &str,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Uuid, Error> {
        let mut tx = self.pool().begin().await?;
        let fork = self.fork_in(&mut tx, from, step, by, reason).await?;
        tx.commit().await?;
        Ok(fork)
    }

    /// Forks inside the caller's transaction, which also records it in the audit log.
    ///
    /// # Errors
    /// As [`Engine::fork`].
    pub async fn fork_in(
        &self,
        tx: &mut Connection,
        from: Uuid,
        step: &str,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Uuid, Error> {
        let by = by.into();
        let fork = self.fork_as(tx, from, step, by.person, reason).await?;
        record::forked(tx, by, from, fork, step, reason).await?;
        Ok(fork)
    }

    async fn fork_as(
        &self,
        tx: &mut Connection,
        from: Uuid,
        step: &str,
        actor: &str,
        reason: &Reason,
    ) -> Result<Uuid, Error> {
        let old = lock(tx, from).await?;
        if !matches!(old.run.state, State::Ended { .. }) {
            return Err(Denied::NotEnded.into());
        }
        let succeeded = matches!(old.run.state, State::Ended { end: End::Succeeded, .. });
        if succeeded || old.run.progress.merged.is_some() {
            return Err(Denied::Merged.into());
        }
        let (id, workflow) = (Uuid::now_v7(), self.newest(old.spec.subject.kind())?);
        let forked = |progress| Event::Forked {
            from_run: from,
            from_seq: u32::try_from(old.version).unwrap_or_default(),
            step: step.to_owned(),
            reason: reason.to_string(),
            progress,
        };
        let starts_afresh = step == workflow.start;
        let (branch, event) = if starts_afresh {
            (branch::name(&old.spec.product, id), forked(Progress::default()))
        } else {
            (old.spec.branch.clone(), forked(old.run.progress.clone()))
        };
        let (run, actions) = Run::begin(&workflow, &event, old.now)?;
        if !starts_afresh {
            ensure_can_take_over(tx, &old, &workflow.start).await?;
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
        self.perform(tx, &spec, &workflow, &actions).await?;
        dead_letter::mark_redriven(tx, from, actor).await?;
        Ok(id)
    }
}

/// Checks that a fork can continue the old run's pull request: there is one, and no other run works on it.
async fn ensure_can_take_over(tx: &mut Connection, old: &StoredRun, start: &str) -> Result<(), Error> {
    if old.run.progress.pull.is_none() || old.run.progress.head.is_none() {
        return Err(Denied::NoPullRequest(start.to_owned()).into());
    }
    let (repository, branch) = (&old.spec.repository, &old.spec.branch);
    match store::run::live_on_branch(tx, repository, branch, old.spec.id).await? {
        Some(other) => Err(Denied::BranchInUse(other).into()),
        None => Ok(()),
    }
}
