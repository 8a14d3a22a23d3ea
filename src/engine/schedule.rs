//! Schedules: a requirement is submitted at each tick, exactly once.
//!
//! A tick is one transaction: it locks the schedule, submits the requirement, records the tick and sets the next
//! one. If the process dies in it, nothing has happened, and another process fires the tick. No two processes fire
//! the same tick, because the second finds the schedule locked, or no longer due.

use chrono::{DateTime, Utc};

use super::{Accepted, Engine, Error, record};
use crate::{
    core::{
        cron::Cron,
        reason::Reason,
        requirement::{RequestedBy, Requirement},
    },
    store::{
        self, Connection,
        audit::Author,
        schedule::{self, Row, Tick},
    },
};

/// The most ticks that one call fires.
const AT_ONCE: usize = 100;

impl Engine {
    /// Creates or replaces a schedule. Its next tick is the first after now; a paused schedule stays paused.
    ///
    /// # Errors
    /// [`Error::NoProduct`] for an unknown product.
    pub async fn schedule(
        &self,
        name: &str,
        cron: &Cron,
        requirement: &Requirement,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Row, Error> {
        let by = by.into();
        let mut tx = self.pool.begin().await?;
        let product = requirement.product.as_str();
        if store::product::get(&mut *tx, product).await?.is_none() {
            return Err(Error::NoProduct(product.to_owned()));
        }
        let before = schedule::lock(&mut tx, name).await?;
        let is_paused = before.as_ref().is_some_and(|before| before.next_at.is_none());
        let now = store::now(&mut tx).await?;
        let row = Row {
            name: name.to_owned(),
            cron: cron.to_string(),
            product: product.to_owned(),
            title: requirement.title.clone(),
            body: requirement.body.clone(),
            priority: i16::from(requirement.priority),
            next_at: if is_paused { None } else { cron.next(now) },
            updated_by: by.person.to_owned(),
            reason: reason.to_string(),
            updated_at: now,
        };
        schedule::put(&mut tx, &row).await?;
        record::schedule(&mut tx, by, "schedule.put", before.as_ref(), Some(&row), reason.as_str()).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Pauses or resumes a schedule; `None` if it does not exist. Ticks that a pause left out are not made up for.
    /// A repeated call changes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pause_schedule(
        &self,
        name: &str,
        pause: bool,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Option<Row>, Error> {
        let by = by.into();
        let mut tx = self.pool.begin().await?;
        let Some(before) = schedule::lock(&mut tx, name).await? else { return Ok(None) };
        if before.next_at.is_none() == pause {
            return Ok(Some(before));
        }
        let now = store::now(&mut tx).await?;
        // A schedule whose expression cannot be read stays paused until it is replaced.
        let cron = before.cron.parse::<Cron>().ok().filter(|_| !pause);
        let next_at = cron.and_then(|cron| cron.next(now));
        let (updated_by, why) = (by.person.to_owned(), reason.to_string());
        let row = Row { next_at, updated_by, reason: why, updated_at: now, ..before.clone() };
        schedule::put(&mut tx, &row).await?;
        let act = if pause { "schedule.pause" } else { "schedule.resume" };
        record::schedule(&mut tx, by, act, Some(&before), Some(&row), reason.as_str()).await?;
        tx.commit().await?;
        Ok(Some(row))
    }

    /// Removes a schedule and its ticks; false if it does not exist.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_schedule(&self, name: &str, by: impl Into<Author<'_>>) -> Result<bool, Error> {
        let mut tx = self.pool.begin().await?;
        let Some(before) = schedule::lock(&mut tx, name).await? else { return Ok(false) };
        schedule::remove(&mut *tx, name).await?;
        record::schedule(&mut tx, by.into(), "schedule.remove", Some(&before), None, "").await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Fires the ticks that are due, at most a hundred, and returns how many.
    ///
    /// # Errors
    /// When the database does not answer. Ticks that were fired before stay fired; the others are still due.
    pub async fn fire_due(&self) -> Result<usize, Error> {
        for fired in 0..AT_ONCE {
            let mut tx = self.pool.begin().await?;
            let Some(row) = schedule::take_due(&mut tx).await? else { return Ok(fired) };
            self.fire(&mut tx, &row).await?;
            tx.commit().await?;
        }
        Ok(AT_ONCE)
    }

    async fn fire(&self, tx: &mut Connection, row: &Row) -> Result<(), Error> {
        let Some(first) = row.next_at else { return Ok(()) };
        let now = store::now(tx).await?;
        let (at, missed, next, submitted) = match row.cron.parse::<Cron>() {
            Ok(cron) => {
                let (at, missed) = cron.due(first, now);
                (at, missed, cron.next(now), self.submit(tx, row).await?)
            }
            // Unpaused, it would stay due for ever and come before all others.
            Err(wrong) => (first, 0, None, Err(format!("paused: the expression `{}` {wrong}", row.cron))),
        };
        let tick = tick(at, now, missed, submitted);
        if let Some(error) = &tick.error {
            tracing::warn!(schedule = %row.name, "schedule {} submitted nothing at {at}: {error}", row.name);
        }
        schedule::record(tx, &row.name, &tick).await?;
        Ok(schedule::set_next(tx, &row.name, next).await?)
    }

    /// Submits the requirement, or returns why it could not be submitted; then nothing of it is stored.
    async fn submit(&self, tx: &mut Connection, row: &Row) -> Result<Result<Accepted, String>, Error> {
        let priority = u8::try_from(row.priority).unwrap_or_default();
        let requirement = match Requirement::new(&row.product, &row.title, &row.body, priority) {
            Ok(requirement) => requirement,
            Err(wrong) => {
                let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
                return Ok(Err(wrong.join("; ")));
            }
        };
        let mut inner = store::savepoint(tx).await?;
        match self.accept_in(&mut inner, &requirement, &format!("schedule:{}", row.name)).await {
            Ok(accepted) => {
                // Who set the schedule asked for what it submits.
                let forge_login = store::api_key::login_of(&mut *inner, &row.updated_by).await?;
                let by = RequestedBy { name: row.updated_by.clone(), forge_login };
                store::requirement::set_requester(&mut inner, accepted.requirement, &by).await?;
                inner.commit().await?;
                Ok(Ok(accepted))
            }
            Err(error @ Error::Store(_)) => Err(error),
            Err(error) => {
                inner.rollback().await?;
                Ok(Err(error.to_string()))
            }
        }
    }
}

fn tick(at: DateTime<Utc>, now: DateTime<Utc>, missed: usize, submitted: Result<Accepted, String>) -> Tick {
    let missed = i32::try_from(missed).unwrap_or(i32::MAX);
    let (accepted, error) = match submitted {
        Ok(accepted) => (Some(accepted), None),
        Err(error) => (None, Some(error)),
    };
    let (requirement_id, run_id) = accepted.map(|it| (it.requirement, it.run)).unzip();
    Tick { at, fired_at: now, missed, requirement_id, run_id, error }
}
