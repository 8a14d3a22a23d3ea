//! Schedules: a requirement at each tick, submitted once.
//!
//! A tick is one transaction. It locks the schedule, submits, records the tick and names the next one: a process
//! that dies in it has done nothing, and another fires the tick at its next look. Two never fire the same, since the
//! one that comes second finds the schedule locked, or no longer due.

use chrono::{DateTime, Utc};

use super::{Accepted, Engine, Error};
use crate::{
    core::{cron::Cron, reason::Reason, requirement::Requirement},
    store::{
        self, Connection,
        schedule::{self, Row, Tick},
    },
};

/// The most ticks of one look.
const AT_ONCE: usize = 100;

impl Engine {
    /// Sets a schedule. It ticks next at the first moment after now; a paused one stays paused.
    ///
    /// # Errors
    /// [`Error::NoProduct`] for an unknown product.
    pub async fn schedule(
        &self,
        name: &str,
        cron: &Cron,
        requirement: &Requirement,
        actor: &str,
        reason: &Reason,
    ) -> Result<Row, Error> {
        let mut tx = self.pool.begin().await?;
        let product = requirement.product.as_str();
        if store::product::get(&mut *tx, product).await?.is_none() {
            return Err(Error::NoProduct(product.to_owned()));
        }
        let before = schedule::lock(&mut tx, name).await?;
        let is_paused = before.is_some_and(|before| before.next_at.is_none());
        let now = store::now(&mut tx).await?;
        let row = Row {
            name: name.to_owned(),
            cron: cron.to_string(),
            product: product.to_owned(),
            title: requirement.title.clone(),
            body: requirement.body.clone(),
            priority: i16::from(requirement.priority),
            next_at: if is_paused { None } else { cron.next(now) },
            updated_by: actor.to_owned(),
            reason: reason.to_string(),
            updated_at: now,
        };
        schedule::put(&mut tx, &row).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Pauses a schedule or lets it go on; `None` if there is none. What would have ticked meanwhile is not made
    /// up for. Asked for again it changes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pause_schedule(
        &self,
        name: &str,
        pause: bool,
        actor: &str,
        reason: &Reason,
    ) -> Result<Option<Row>, Error> {
        let mut tx = self.pool.begin().await?;
        let Some(before) = schedule::lock(&mut tx, name).await? else { return Ok(None) };
        if before.next_at.is_none() == pause {
            return Ok(Some(before));
        }
        let now = store::now(&mut tx).await?;
        // One that cannot be read was paused for that, and stays so until it is set anew.
        let cron = before.cron.parse::<Cron>().ok().filter(|_| !pause);
        let next_at = cron.and_then(|cron| cron.next(now));
        let (updated_by, reason) = (actor.to_owned(), reason.to_string());
        let row = Row { next_at, updated_by, reason, updated_at: now, ..before };
        schedule::put(&mut tx, &row).await?;
        tx.commit().await?;
        Ok(Some(row))
    }

    /// Fires the ticks that are due, at most a hundred; tells how many.
    ///
    /// # Errors
    /// When the database does not answer; what was fired before stays fired, the rest is still due.
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
            // It would be due for ever, before all others.
            Err(wrong) => (first, 0, None, Err(format!("paused: the expression `{}` {wrong}", row.cron))),
        };
        let tick = tick(at, now, missed, submitted);
        if let Some(error) = &tick.error {
            tracing::warn!(schedule = %row.name, "schedule {} submitted nothing at {at}: {error}", row.name);
        }
        schedule::record(tx, &row.name, &tick).await?;
        Ok(schedule::set_next(tx, &row.name, next).await?)
    }

    /// Submits the requirement, or says why it cannot be; then nothing of it stays.
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
