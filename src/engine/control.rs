//! What people do to a run, whatever it is doing: pause, resume, cancel, run now, skip, retry.
//!
//! Each is safe to ask for again: a run that is already so answers [`Control::Unchanged`] and has no new
//! event. A worker's answer locks the job before the run, so every verb here does too.

use uuid::Uuid;

use super::{Ack, By, Engine, Error, locked, settle, storable};
use crate::{
    core::{
        reason::Reason,
        run::{Event, PauseCause, Run, State},
        workflow::{End, Outcome},
    },
    store::{
        self, Connection, dead_letter, event,
        job::Lease,
        job_control::{self, JobLock},
        run::StoredRun,
    },
};

/// How often a run that moves under our hands is looked at again.
const LOOKS: usize = 5;

/// What somebody wants of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Nothing more shall be asked for.
    Pause,
    /// A paused run goes on.
    Resume,
    /// The run ends here.
    Cancel,
    /// Its step is due now, whatever it waits for.
    RunNow,
    /// Its step is taken as answered.
    Skip(Outcome),
    /// It begins again at this step, or where it ended.
    Retry(Option<String>),
}

/// Whether a verb changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// It is in the history.
    Applied,
    /// The run was so already; there is no new event.
    Unchanged,
}

/// Why a run does not allow what somebody wants of it. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A worker is at its step.
    #[error("a worker is at `{0}`; wait until it has answered, or cancel the run")]
    Held(String),
    /// It moved each time it was looked at.
    #[error("the run moved while it was looked at; ask again")]
    Restless,
    /// It has ended.
    #[error("the run has ended as {0}; retry it, or fork a new run from one of its steps")]
    Over(End),
    /// It is paused.
    #[error("the run is paused; resume it first")]
    Paused,
    /// It has not ended.
    #[error("the run has not ended; cancel it first")]
    GoesOn,
    /// Its change is merged.
    #[error("the run's change is merged; submit a new requirement")]
    Merged,
    /// Another run works on its branch.
    #[error("run {0} works on the same branch; cancel it first")]
    BranchTaken(Uuid),
    /// Its first step was done: the branch has commits that a second time would have to undo.
    #[error("`{0}` was done and its branch has commits; fork a new run from `{0}`")]
    Begun(String),
    /// It has no pull request that a later step could go on with.
    #[error("the run has no pull request yet; fork it from `{0}`")]
    NoPull(String),
}

/// A run that cannot move while this exists, and its job.
pub(super) struct Held {
    job: Option<JobLock>,
    pub(super) stored: StoredRun,
}

impl Engine {
    /// Pauses a run: when this returns, no attempt at it begins any more. One that has begun may finish;
    /// its answer is recorded, and nothing follows from it until the run is resumed.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn pause(&self, run: Uuid, actor: &str, reason: &Reason) -> Result<Control, Error> {
        self.control(run, &Verb::Pause, actor, reason).await
    }

    /// Lets a paused run go on.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn resume(&self, run: Uuid, actor: &str, reason: &Reason) -> Result<Control, Error> {
        self.control(run, &Verb::Resume, actor, reason).await
    }

    /// Ends a run. A worker that is at it is stopped by its next renewal, and its answer does not count.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn cancel(&self, run: Uuid, actor: &str, reason: &Reason) -> Result<Control, Error> {
        self.control(run, &Verb::Cancel, actor, reason).await
    }

    /// Ends a run's wait: its step is due now.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn run_now(&self, run: Uuid, actor: &str, reason: &Reason) -> Result<Control, Error> {
        self.control(run, &Verb::RunNow, actor, reason).await
    }

    /// Answers in the place of a run's step.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn skip(
        &self,
        run: Uuid,
        outcome: Outcome,
        actor: &str,
        reason: &Reason,
    ) -> Result<Control, Error> {
        self.control(run, &Verb::Skip(outcome), actor, reason).await
    }

    /// Lets a run begin again at a step, or where it ended. What it has come to know is kept.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn retry(
        &self,
        run: Uuid,
        step: Option<&str>,
        actor: &str,
        reason: &Reason,
    ) -> Result<Control, Error> {
        self.control(run, &Verb::Retry(step.map(str::to_owned)), actor, reason).await
    }

    /// Does one verb in a transaction of its own.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Error::Denied`] and [`Error::Refused`] say why the run does not allow it and what
    /// to do; [`Error::Workflow`] when this release cannot read its graph, which only a cancel does without.
    pub async fn control(
        &self,
        run: Uuid,
        verb: &Verb,
        actor: &str,
        reason: &Reason,
    ) -> Result<Control, Error> {
        let mut tx = self.pool().begin().await?;
        let done = self.control_in(&mut tx, run, verb, actor, reason).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Does one verb inside the caller's transaction.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn control_in(
        &self,
        tx: &mut Connection,
        run: Uuid,
        verb: &Verb,
        actor: &str,
        reason: &Reason,
    ) -> Result<Control, Error> {
        let held = held(tx, run).await?;
        let event = match verb {
            Verb::Pause => pause(&held, actor, reason)?,
            Verb::Resume => resume(&held, reason)?,
            Verb::Cancel => cancel(&held, reason)?,
            Verb::RunNow => run_now(&held, reason)?,
            Verb::Skip(outcome) => skip(&held, *outcome, reason)?,
            Verb::Retry(step) => self.again(tx, &held, step.as_deref(), actor, reason).await?,
        };
        let Some(event) = event else { return Ok(Control::Unchanged) };
        if let Event::Cancelled { reason } = &event {
            end(tx, &held.stored, actor, reason, &event).await?;
            return Ok(Control::Applied);
        }
        let workflow = self.workflow(&held.stored.spec.workflow_hash).await?;
        self.advance(tx, held.stored, &workflow, By::Other(actor), vec![event]).await?;
        Ok(Control::Applied)
    }

    /// Pauses a run from inside of one of its attempts, which ends here and does not count: a budget is
    /// used up, or what the step needs is known to be away.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn halt(
        &self,
        lease: &Lease,
        worker: &str,
        cause: PauseCause,
        reason: &str,
    ) -> Result<Ack, Error> {
        let reason = storable(reason);
        let mut tx = self.pool().begin().await?;
        if !job_control::put_down(&mut tx, lease, &reason).await? {
            return Ok(Ack::Fenced);
        }
        let stored = locked(&mut tx, lease.run).await?;
        // Somebody who paused it meanwhile wanted the same.
        if !matches!(stored.run.state, State::Paused { .. }) {
            let workflow = self.workflow(&stored.spec.workflow_hash).await?;
            let event = Event::Paused { by: worker.to_owned(), reason, cause };
            self.advance(&mut tx, stored, &workflow, By::Other(worker), vec![event]).await?;
        }
        tx.commit().await?;
        Ok(Ack::Committed)
    }

    async fn again(
        &self,
        tx: &mut Connection,
        held: &Held,
        step: Option<&str>,
        actor: &str,
        reason: &Reason,
    ) -> Result<Option<Event>, Error> {
        let (stored, id) = (&held.stored, held.stored.spec.id);
        let last = event::last(tx, id).await?;
        let ended = matches!(stored.run.state, State::Ended { .. });
        let workflow = self.workflow(&stored.spec.workflow_hash).await?;
        let to = match (step, ended) {
            (Some(step), _) => step.to_owned(),
            (None, true) => {
                let at = last.step.as_deref().unwrap_or(&workflow.start);
                Run::ended_at(&workflow, at, &last.body.0).to_owned()
            }
            (None, false) => return Ok(None),
        };
        if !ended {
            if matches!(&last.body.0, Event::RetriedFrom { step, .. } if *step == to) {
                return Ok(None);
            }
            free(held)?;
        }
        if to == workflow.start && stored.run.progress.head.is_some() {
            return Err(Denied::Begun(to).into());
        }
        let event = Event::RetriedFrom { step: to, reason: reason.to_string() };
        // Asked before the lock, so that a step that does not exist is told as such.
        stored.run.apply(&workflow, &event, stored.now)?;
        if ended {
            let (repository, branch) = (&stored.spec.repository, &stored.spec.branch);
            if let Some(other) = store::run::live_on_branch(tx, repository, branch, id).await? {
                return Err(Denied::BranchTaken(other).into());
            }
            dead_letter::mark_redriven(tx, id, actor).await?;
        }
        Ok(Some(event))
    }
}

/// Locks a run's job and then the run. A job that came in between is not locked: start over.
pub(super) async fn held(tx: &mut Connection, run: Uuid) -> Result<Held, Error> {
    for _ in 0..LOOKS {
        let mut inner = store::savepoint(tx).await?;
        let job = job_control::lock(&mut inner, run).await?;
        let stored = locked(&mut inner, run).await?;
        if job.is_some() || !job_control::exists(&mut inner, run).await? {
            inner.commit().await?;
            return Ok(Held { job, stored });
        }
        inner.rollback().await?;
    }
    Err(Denied::Restless.into())
}

/// Nobody works at the run's step.
fn free(held: &Held) -> Result<(), Denied> {
    match held.job {
        Some(JobLock { held: true, .. }) => {
            Err(Denied::Held(held.stored.run.step().unwrap_or_default().to_owned()))
        }
        _ => Ok(()),
    }
}

fn pause(held: &Held, actor: &str, reason: &Reason) -> Result<Option<Event>, Denied> {
    match &held.stored.run.state {
        State::At { .. } | State::Waiting { .. } => Ok(Some(Event::Paused {
            by: actor.to_owned(),
            reason: reason.to_string(),
            cause: PauseCause::Person,
        })),
        State::Paused { .. } => Ok(None),
        State::Ended { end, .. } => Err(Denied::Over(*end)),
    }
}

fn resume(held: &Held, reason: &Reason) -> Result<Option<Event>, Denied> {
    match &held.stored.run.state {
        State::Paused { .. } => Ok(Some(Event::Resumed { reason: reason.to_string() })),
        State::At { .. } | State::Waiting { .. } => Ok(None),
        State::Ended { end, .. } => Err(Denied::Over(*end)),
    }
}

fn cancel(held: &Held, reason: &Reason) -> Result<Option<Event>, Denied> {
    match &held.stored.run.state {
        State::Ended { end: End::Cancelled, .. } => Ok(None),
        State::Ended { end, .. } => Err(Denied::Over(*end)),
        _ => Ok(Some(Event::Cancelled { reason: reason.to_string() })),
    }
}

fn run_now(held: &Held, reason: &Reason) -> Result<Option<Event>, Denied> {
    free(held)?;
    match (&held.stored.run.state, held.job) {
        (State::Paused { .. }, _) => Err(Denied::Paused),
        (State::Ended { end, .. }, _) => Err(Denied::Over(*end)),
        (State::At { .. }, Some(JobLock { due: true, .. })) => Ok(None),
        _ => Ok(Some(Event::Hurried { reason: reason.to_string() })),
    }
}

fn skip(held: &Held, outcome: Outcome, reason: &Reason) -> Result<Option<Event>, Denied> {
    if let State::Ended { end, .. } = held.stored.run.state {
        return Err(Denied::Over(end));
    }
    free(held)?;
    Ok(Some(Event::Skipped { outcome, reason: reason.to_string() }))
}

/// Ends a run without its graph.
async fn end(
    tx: &mut Connection,
    stored: &StoredRun,
    actor: &str,
    reason: &str,
    event: &Event,
) -> Result<(), Error> {
    let id = stored.spec.id;
    let (run, actions) = stored.run.cancel(reason)?;
    let (seq, at, step) = (stored.version + 1, stored.now, stored.run.step());
    event::append(tx, event::New { run: id, seq, at, actor, step, event, lease: None }).await?;
    if !store::run::save(tx, id, stored.version, 1, &run).await? {
        return Err(Error::Store(store::Error::RowNotFound));
    }
    for action in &actions {
        settle(tx, id, action).await?;
    }
    Ok(())
}
