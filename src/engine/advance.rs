//! One move of a run: fold the events, append them, save the run, and perform the actions that follow.

use uuid::Uuid;

use super::{Engine, Error};
use crate::{
    core::{
        limit::{self, Target},
        run::{Action, Event, Run},
        workflow::Workflow,
    },
    store::{
        self, Connection, event,
        job::{self, Lease},
        job_control, notify,
        run::{RunSpec, StoredRun},
        timer,
    },
};

/// Who causes an event: an attempt of a worker, or anyone else.
#[derive(Clone, Copy)]
pub(super) enum Actor<'a> {
    Attempt(&'a Lease, &'a str),
    Other(&'a str),
}

impl<'a> Actor<'a> {
    const fn name(self) -> &'a str {
        match self {
            Self::Attempt(_, name) | Self::Other(name) => name,
        }
    }

    /// The lease of the attempt that causes the event. A claim that found every attempt used up is not an
    /// attempt itself.
    fn lease(self) -> Option<&'a Lease> {
        match self {
            Self::Attempt(lease, _) => Some(lease).filter(|lease| !lease.is_spent()),
            Self::Other(_) => None,
        }
    }
}

impl Engine {
    /// Applies events to a locked run. Only the first is the work of `actor`'s attempt, or the second if the first
    /// says that its job went on; any other follows from it in the same transaction.
    pub(super) async fn advance(
        &self,
        tx: &mut Connection,
        stored: StoredRun,
        workflow: &Workflow,
        actor: Actor<'_>,
        events: Vec<Event>,
    ) -> Result<(), Error> {
        let StoredRun { spec, version, mut run, now, .. } = stored;
        let (actor, mut lease) = (actor.name(), actor.lease());
        let (mut seq, mut actions) = (version, Vec::new());
        for event in &events {
            seq += 1;
            let (next, follow) = run.apply(workflow, event, now)?;
            let is_work = !matches!(event, Event::WentOn { .. });
            let (step, lease) = (run.step(), lease.take_if(|_| is_work));
            event::append(tx, event::New { run: spec.id, seq, at: now, actor, step, event, lease }).await?;
            actions.extend(follow);
            run = next;
        }
        save(tx, spec.id, version, seq - version, &run).await?;
        self.perform(tx, &spec, workflow, &actions).await
    }

    /// Performs the actions that follow from a move.
    pub(super) async fn perform(
        &self,
        tx: &mut Connection,
        spec: &RunSpec,
        workflow: &Workflow,
        actions: &[Action],
    ) -> Result<(), Error> {
        for action in actions {
            if let Action::Enqueue { step, queue, .. } = action {
                let keys = &self.keys(spec, workflow, step);
                let new = job::New { run: spec.id, product: &spec.product, priority: spec.priority, keys };
                job::enqueue(tx, &new, action).await?;
                notify::job_available(tx, queue.as_str()).await?;
            } else {
                perform_on_rows(tx, spec.id, action).await?;
            }
        }
        Ok(())
    }

    /// The keys of the job of a step.
    pub(super) fn keys(&self, spec: &RunSpec, workflow: &Workflow, step: &str) -> Vec<String> {
        let Some(step) = workflow.steps.get(step) else { return Vec::new() };
        let RunSpec { product, repository, base_branch, .. } = spec;
        limit::keys(&Target { product, repository, base_branch }, step.run, step.queue, &self.provider)
    }
}

/// Locks a run until the transaction ends.
pub(super) async fn lock(tx: &mut Connection, id: Uuid) -> Result<StoredRun, Error> {
    store::run::lock(tx, id).await?.ok_or(Error::NoRun(id))
}

/// Ends a locked run whose workflow this release cannot follow.
pub(super) async fn block_unsupported(
    tx: &mut Connection,
    stored: &StoredRun,
    actor: &str,
    reason: &str,
) -> Result<(), Error> {
    let event = Event::Stranded { reason: reason.to_owned() };
    end(tx, stored, actor, &event, stored.run.block_unsupported(reason)).await
}

/// Ends a locked run without its workflow; `next` is what `event` makes of it.
pub(super) async fn end(
    tx: &mut Connection,
    stored: &StoredRun,
    actor: &str,
    event: &Event,
    (next, actions): (Run, Vec<Action>),
) -> Result<(), Error> {
    let id = stored.spec.id;
    let (seq, at, step) = (stored.version + 1, stored.now, stored.run.step());
    event::append(tx, event::New { run: id, seq, at, actor, step, event, lease: None }).await?;
    save(tx, id, stored.version, 1, &next).await?;
    for action in &actions {
        perform_on_rows(tx, id, action).await?;
    }
    Ok(())
}

async fn save(tx: &mut Connection, id: Uuid, version: i32, events: i32, run: &Run) -> Result<(), Error> {
    // The row is locked, so its version cannot have changed; if it had, the transaction must roll back.
    let saved = store::run::save(tx, id, version, events, run).await?;
    if saved { Ok(()) } else { Err(Error::Store(store::Error::RowNotFound)) }
}

/// Performs an action on the job or the timer that a run has. [`Action::Enqueue`] needs more than those rows,
/// and [`Action::Finish`] none of them.
async fn perform_on_rows(tx: &mut Connection, run: Uuid, action: &Action) -> Result<(), Error> {
    let due = match action {
        Action::ResumeJob => job_control::resume(tx, run).await?,
        Action::MakeJobDue => job_control::make_due(tx, run).await?,
        Action::PauseJob => job_control::pause(tx, run).await.map(|()| None)?,
        Action::CancelJob => job_control::cancel(tx, run).await.map(|()| None)?,
        Action::SetTimer(due_at) => timer::set(tx, run, *due_at).await.map(|()| None)?,
        Action::ClearTimer => timer::clear(tx, run).await.map(|()| None)?,
        Action::Enqueue { .. } | Action::Finish(_) => None,
    };
    if let Some(queue) = due {
        notify::job_available(tx, &queue).await?;
    }
    Ok(())
}
