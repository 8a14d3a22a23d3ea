//! What pauses a run from inside of one of its attempts, and what is learnt of a run after its end.

use uuid::Uuid;

use super::{Ack, Actor, Engine, Error, advance::lock, without_nul};
use crate::{
    core::run::{Event, PauseCause, State},
    store::{job::Lease, job_control},
};

impl Engine {
    /// Records what became of the pull request of a run that has ended. A run that goes on finds out by itself.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn pull_changed(&self, run: Uuid, actor: &str, event: Event) -> Result<(), Error> {
        let mut tx = self.pool().begin().await?;
        let stored = lock(&mut tx, run).await?;
        if !matches!(stored.run.state, State::Ended { .. }) {
            return Ok(());
        }
        let workflow = self.workflow(&stored.spec.workflow_hash).await?;
        self.advance(&mut tx, stored, &workflow, Actor::Other(actor), vec![event]).await?;
        Ok(tx.commit().await?)
    }

    /// Pauses a run from inside one of its attempts, because a budget is used up or a circuit breaker opened.
    /// The attempt ends here and does not count.
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
        let event = Event::Paused { by: worker.to_owned(), reason: without_nul(reason), cause };
        self.halt_with(lease, worker, event).await
    }

    /// Pauses a run from inside one of its attempts, because a person works on its branch. The attempt ends here and does
    /// not count.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn taken_over(
        &self,
        lease: &Lease,
        worker: &str,
        by: &str,
        reason: &str,
    ) -> Result<Ack, Error> {
        let event = Event::TakenOver { by: without_nul(by), reason: without_nul(reason) };
        self.halt_with(lease, worker, event).await
    }

    async fn halt_with(&self, lease: &Lease, worker: &str, event: Event) -> Result<Ack, Error> {
        let mut tx = self.pool().begin().await?;
        let (Event::Paused { reason, .. } | Event::TakenOver { reason, .. }) = &event else {
            return Ok(Ack::Fenced);
        };
        if !job_control::halt(&mut tx, lease, reason).await? {
            return Ok(Ack::Fenced);
        }
        let stored = lock(&mut tx, lease.run).await?;
        // A person may have paused it meanwhile; a takeover is said all the same.
        let is_known = match &stored.run.state {
            State::Paused(pause) => pause.takeover || matches!(event, Event::Paused { .. }),
            State::At { .. } | State::Waiting { .. } | State::Ended { .. } => false,
        };
        if !is_known {
            let workflow = self.workflow(&stored.spec.workflow_hash).await?;
            self.advance(&mut tx, stored, &workflow, Actor::Other(worker), vec![event]).await?;
        }
        tx.commit().await?;
        Ok(Ack::Committed)
    }
}
