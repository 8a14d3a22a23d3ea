//! How budgets resume runs: a run that was refused a call is resumed as soon as the call fits.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Engine, Error, advance::lock, control::lock_with_job, record};
use crate::{
    core::{
        budget::{Account, Amount, Limits, Scope},
        reason::Reason,
        run::{Event, Pause, PauseCause, State},
    },
    store::{
        audit::Author,
        budget::{self, UnfundedRun},
    },
};

/// How many runs that were refused a call are considered at once.
const WANTING: i64 = 1000;

impl Engine {
    /// Sets the limits of a run (`key` is its id), of each run that has none of its own ([`budget::EVERY_RUN`]) or of
    /// a product, resumes the runs that these budgets had paused and whose next call now fits, and returns them.
    ///
    /// # Errors
    /// When the database does not answer. The periodic check resumes the runs that are left.
    pub async fn set_budget(
        &self,
        limits: &[(Scope, Limits)],
        key: &str,
        reason: &Reason,
        by: impl Into<Author<'_>>,
    ) -> Result<Vec<Uuid>, Error> {
        let by = by.into();
        let mut tx = self.pool.begin().await?;
        let mut before = Vec::new();
        for (scope, limits) in limits {
            before.push((*scope, budget::limits_of(&mut tx, *scope, key).await?));
            budget::set(&mut tx, *scope, key, *limits, reason.as_str(), by.person).await?;
        }
        record::budget_set(&mut tx, by, key, (&before, limits), reason).await?;
        tx.commit().await?;
        let why = format!("the budget was changed: {reason}");
        let is_concerned = |wanting: &UnfundedRun| key == budget::EVERY_RUN || wanting.concerns(key);
        self.fund(is_concerned, by.person, &why).await
    }

    /// Releases what a run holds for calls that were cut off, because a person says that they were not
    /// charged, and resumes the runs whose next call now fits. Returns how many calls were released.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn release_reservations(
        &self,
        run: Uuid,
        reason: &Reason,
        by: impl Into<Author<'_>>,
    ) -> Result<u32, Error> {
        let by = by.into();
        let mut tx = self.pool.begin().await?;
        let stored = lock(&mut tx, run).await?;
        let released = budget::release(&mut tx, run, &format!("{}: {reason}", by.person)).await?;
        if released > 0 {
            record::released(&mut tx, by, run, released, reason).await?;
        }
        tx.commit().await?;
        let product = stored.spec.product;
        let why =
            format!("the reservations of run {run} for calls that were cut off were released: {reason}");
        self.fund(|wanting| wanting.concerns(&product), by.person, &why).await?;
        Ok(released)
    }

    /// Resumes the runs that a budget had paused and whose next call now fits, because a day is over or other
    /// calls used less than was held for them. Returns the runs.
    ///
    /// # Errors
    /// When the database does not answer; runs that were resumed before stay resumed.
    pub async fn resume_funded(&self) -> Result<Vec<Uuid>, Error> {
        self.fund(|_| true, "clock", "the next call fits the budget").await
    }

    async fn fund(
        &self,
        is_concerned: impl Fn(&UnfundedRun) -> bool,
        actor: &str,
        why: &str,
    ) -> Result<Vec<Uuid>, Error> {
        let wanting = budget::unfunded_runs(&self.pool, WANTING).await?;
        let mut promised = Promised::default();
        // Runs that were resumed already, but have not reserved their call yet.
        wanting.iter().filter(|it| !it.is_paused).for_each(|it| promised.add(it));
        let mut resumed = Vec::new();
        for it in wanting.iter().filter(|it| it.is_paused && is_concerned(it)) {
            if Account::admit_all(&promised.beside(it), it.estimate).is_err() {
                continue;
            }
            // A run that another process resumed meanwhile takes its share as well.
            promised.add(it);
            if self.resume_for_budget(it.run_id, actor, why).await? {
                resumed.push(it.run_id);
            }
        }
        Ok(resumed)
    }

    /// Resumes a run if it was a budget that paused it.
    async fn resume_for_budget(&self, run: Uuid, actor: &str, why: &str) -> Result<bool, Error> {
        let mut tx = self.pool.begin().await?;
        let stored = lock_with_job(&mut tx, run).await?.stored;
        if !matches!(&stored.run.state, State::Paused(Pause { cause: PauseCause::Budget, .. })) {
            return Ok(false);
        }
        self.wake(&mut tx, stored, actor, Event::Resumed { reason: why.to_owned() }).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// What resumed runs will reserve, by product.
#[derive(Default)]
struct Promised(HashMap<String, Amount>);

impl Promised {
    fn add(&mut self, wanting: &UnfundedRun) {
        let so_far = self.0.entry(wanting.product.clone()).or_default();
        let (tokens, micro_dollars) = (wanting.estimate.tokens, wanting.estimate.micro_dollars.unwrap_or(0));
        *so_far = so_far.plus(Amount { tokens, micro_dollars });
    }

    /// The accounts of a run as if what was promised to the others were reserved already.
    fn beside(&self, wanting: &UnfundedRun) -> Vec<Account> {
        let promised = self.0.get(&wanting.product).copied().unwrap_or_default();
        let mut accounts = wanting.accounts.clone();
        for account in accounts.iter_mut().filter(|account| account.scope != Scope::Run) {
            account.used.reserved = account.used.reserved.plus(promised);
        }
        accounts
    }
}
