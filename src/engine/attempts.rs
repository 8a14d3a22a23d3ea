//! How attempts end: with an answer, a wait, a failure, or a dead letter.
//!
//! Every method here is fenced by the lease of the attempt: one that has lost it gets [`Ack::Fenced`] and has
//! changed nothing.

use std::time::Duration;

use super::{
    Ack, Actor, Answer, Asked, ConsentAsked, Engine, Error, advance, advance::lock, outage, snooze,
    without_nul,
};
use crate::{
    core::run::{Event, Park, Progress, State, backoff_ceiling},
    store::{
        attempt, dead_letter, failpoint,
        job::{self, Lease},
        job_control, signal,
    },
};

/// What the wait of an attempt asks people.
#[derive(Clone, Copy)]
pub(super) enum Asks<'a> {
    Nothing,
    Questions(&'a Asked),
    Consent(&'a ConsentAsked),
}

impl Engine {
    /// Records an activity's answer and enqueues the step that follows.
    ///
    /// # Errors
    /// When the database does not answer. Whether the answer was recorded is then unknown, and calling this
    /// again is safe.
    pub async fn answer(&self, lease: &Lease, worker: &str, answer: Answer) -> Result<Ack, Error> {
        let Answer { outcome, note, progress } = answer;
        let note = without_nul(&note);
        let event = Event::Answered { turn: lease.turn, outcome, note, progress };
        self.finish(lease, worker, event, Asks::Nothing).await
    }

    /// Lets a step wait without a job. If a signal that it waits for has come already, it runs again at once.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn park(
        &self,
        lease: &Lease,
        worker: &str,
        park: Park,
        progress: Progress,
    ) -> Result<Ack, Error> {
        let park = Park { reason: without_nul(&park.reason), ..park };
        let event = Event::Parked { turn: lease.turn, park, progress };
        self.finish(lease, worker, event, Asks::Nothing).await
    }

    /// Records a failed attempt. It is retried after a random delay of at least `after`; the last one makes the
    /// job a dead letter.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn fail(
        &self,
        lease: &Lease,
        worker: &str,
        error: &str,
        after: Option<Duration>,
    ) -> Result<Ack, Error> {
        if lease.attempt >= lease.most {
            return self.exhaust(lease, worker, error).await;
        }
        let mut tx = self.pool.begin().await?;
        job_control::lock(&mut tx, lease.run).await?;
        let stored = lock(&mut tx, lease.run).await?;
        let workflow = self.workflow(&stored.spec.workflow_hash).await?;
        let retry = workflow.steps.get(&lease.step).map(|step| step.retry.clone()).unwrap_or_default();
        let least = after.unwrap_or_default();
        // A server may have named the same moment to many callers, so they are spread over a while.
        let ceiling = backoff_ceiling(&retry, lease.attempt)
            .max(least + after.map_or(Duration::ZERO, |_| snooze::SPREAD));
        let Some(retry_at) = job::schedule_retry(&mut tx, lease, least, ceiling).await? else {
            return Ok(Ack::Fenced);
        };
        let error = without_nul(error);
        let event = Event::Failed { turn: lease.turn, attempt: lease.attempt, error, retry_at };
        self.advance(&mut tx, stored, &workflow, Actor::Attempt(lease, worker), vec![event]).await?;
        tx.commit().await?;
        Ok(Ack::Committed)
    }

    /// Makes a job that must not be retried a dead letter, and sends its run to the workflow's `exhausted`.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn exhaust(&self, lease: &Lease, worker: &str, error: &str) -> Result<Ack, Error> {
        let attempts = lease.attempt.min(lease.most);
        let error = without_nul(error);
        let event = Event::Exhausted { turn: lease.turn, attempts, error };
        self.finish(lease, worker, event, Asks::Nothing).await
    }

    /// Ends a run as blocked because this release cannot follow its workflow.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn block_unsupported(&self, lease: &Lease, worker: &str, reason: &str) -> Result<Ack, Error> {
        let reason = &without_nul(reason);
        let mut tx = self.pool.begin().await?;
        if !job::finish(&mut tx, lease).await? {
            return Ok(Ack::Fenced);
        }
        let stored = lock(&mut tx, lease.run).await?;
        attempt::end(&mut tx, lease, worker, "failed", reason).await?;
        advance::block_unsupported(&mut tx, &stored, worker, reason).await?;
        tx.commit().await?;
        Ok(Ack::Committed)
    }

    /// Ends an attempt and its job with `event`, unless the lease is lost; with what it asks people.
    pub(super) async fn finish(
        &self,
        lease: &Lease,
        worker: &str,
        event: Event,
        asks: Asks<'_>,
    ) -> Result<Ack, Error> {
        let mut tx = self.pool.begin().await?;
        if !job::finish(&mut tx, lease).await? {
            return Ok(Ack::Fenced);
        }
        let stored = lock(&mut tx, lease.run).await?;
        if let Event::Exhausted { attempts, error, .. } = &event {
            dead_letter::insert(&mut tx, lease, *attempts, error).await?;
        }
        let workflow = self.workflow(&stored.spec.workflow_hash).await?;
        let went_on = match event {
            Event::Exhausted { .. } => None,
            _ => outage::went_on(&stored, lease),
        };
        let mut events: Vec<Event> = went_on.into_iter().chain(std::iter::once(event)).collect();
        // No lost wake-up: a signal that came while the step was running ends the wait before it begins.
        // A paused run takes no signal; its signals stay for the resume.
        if let Some(Event::Parked { park, .. }) = events.last()
            && matches!(stored.run.state, State::At { .. })
            && let Some(topic) = signal::take(&mut tx, lease.run, &park.topics).await?
        {
            events.push(Event::Signalled { topic });
        }
        match asks {
            Asks::Consent(asked) => {
                self.settle_consent(&mut tx, (&stored, lease), asked, &mut events).await?;
            }
            Asks::Questions(asked) => {
                self.settle_questions(&mut tx, (&stored, lease), Some(asked), &mut events).await?;
            }
            Asks::Nothing => self.settle_questions(&mut tx, (&stored, lease), None, &mut events).await?,
        }
        self.advance(&mut tx, stored, &workflow, Actor::Attempt(lease, worker), events).await?;
        failpoint::pass("finish.before")?;
        tx.commit().await?;
        failpoint::pass("finish.after")?;
        Ok(Ack::Committed)
    }
}
