//! A job whose provider is out of reach: it waits without a slot and without using up an attempt, for a limited time.

use std::time::Duration;

use super::{Ack, Actor, Engine, Error, advance::lock, record, snooze, without_nul};
use crate::{
    core::{
        outage::{Outage, Provider, Service, delay},
        reason::Reason,
        run::{Event, State},
    },
    store::{
        self, attempt,
        audit::Author,
        job::{self, Lease},
        job_control,
        run::StoredRun,
    },
};

impl Engine {
    /// Gives a job back because a provider is out of reach, due again when the provider is probed. No attempt is used
    /// up; one that called a model keeps its number, as its reservation does. The history says so once for each
    /// provider and job. A job that has waited for `longest` becomes a dead letter.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn wait_out(
        &self,
        lease: &Lease,
        worker: &str,
        outage: &Outage,
        longest: Duration,
    ) -> Result<Ack, Error> {
        let mut tx = self.pool.begin().await?;
        job_control::lock(&mut tx, lease.run).await?;
        let stored = lock(&mut tx, lease.run).await?;
        let provider = outage.provider.to_string();
        let noted = stored.run.held.get(&provider).copied();
        let since = noted.or(outage.since).unwrap_or(stored.now);
        if (stored.now - since).to_std().is_ok_and(|waited| waited >= longest) {
            drop(tx);
            return self.exhaust(lease, worker, &too_long(outage, since)).await;
        }
        let (wait, spread) = match outage.since {
            Some(_) if outage.was_made => (outage.wait, Duration::ZERO),
            Some(_) => (outage.wait, snooze::SPREAD),
            None => (outage.wait.max(delay(since, stored.now)), snooze::SPREAD / 2),
        };
        let beside = outage.fallback.as_ref().map(|fallback| fallback.provider.to_string());
        if !job::snooze(&mut *tx, lease, wait, spread, &provider, beside.as_deref()).await? {
            return Ok(Ack::Fenced);
        }
        if outage.was_made && outage.provider.service == Service::Model {
            job::keep_number(&mut tx, lease).await?;
            attempt::end(&mut tx, lease, worker, "lost", &without_nul(&outage.errors())).await?;
        }
        // A person may have paused the run meanwhile; the resumed job finds the outage itself.
        if noted.is_none() && matches!(stored.run.state, State::At { .. }) {
            let error = without_nul(&outage.errors());
            let event = Event::Held { turn: lease.turn, provider, since, error };
            let workflow = self.workflow(&stored.spec.workflow_hash).await?;
            self.advance(&mut tx, stored, &workflow, Actor::Other(worker), vec![event]).await?;
        }
        tx.commit().await?;
        Ok(Ack::Committed)
    }
}

impl Engine {
    /// Makes the next probe of a provider due now, with the jobs that wait for it. Returns how many jobs; `None` if the
    /// provider is not down.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn probe(
        &self,
        provider: &Provider,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Option<i64>, Error> {
        let by = by.into();
        let mut tx = self.pool.begin().await?;
        let waiting = store::outage::probe(&mut tx, provider, snooze::SPREAD).await?;
        if let Some(jobs) = waiting {
            record::probed(&mut tx, by, &provider.to_string(), jobs, reason).await?;
            tx.commit().await?;
            let actor = by.person;
            tracing::info!(%provider, actor, jobs, "{} is probed by hand: {reason}", provider.in_words());
        }
        Ok(waiting)
    }
}

/// That a job went on which an outage had held, if so.
pub(super) fn went_on(stored: &StoredRun, lease: &Lease) -> Option<Event> {
    let since = stored.run.held.values().min()?;
    let after_s = (stored.now - *since).num_seconds().max(0).unsigned_abs();
    Some(Event::WentOn { turn: lease.turn, after_s })
}

fn too_long(outage: &Outage, since: chrono::DateTime<chrono::Utc>) -> String {
    let (who, error) = (outage.provider.in_words(), outage.errors());
    format!("{who} has been out of reach since {}; last error: {error}", since.format("%Y-%m-%d %H:%M UTC"))
}
