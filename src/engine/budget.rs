//! Budgets as they move runs: whoever was refused a call goes on as soon as that call fits.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Engine, Error, control::held, locked};
use crate::{
    core::{
        budget::{Account, Amount, Limits, Scope},
        reason::Reason,
        run::{Event, PauseCause, State},
    },
    store::budget::{self, UnfundedRun},
};

/// How many runs that want a call are looked at together.
const WANTING: i64 = 1000;

impl Engine {
    /// Sets the limits of a run (`key` is its id) or of a product, and lets those runs go on that were
    /// paused for want of them and now fit. Tells which.
    ///
    /// # Errors
    /// When the database does not answer; runs that are not resumed yet are by the clock.
    pub async fn set_budget(
        &self,
        limits: &[(Scope, Limits)],
        key: &str,
        reason: &Reason,
        actor: &str,
    ) -> Result<Vec<Uuid>, Error> {
        let mut tx = self.pool.begin().await?;
        for (scope, limits) in limits {
            budget::set(&mut tx, *scope, key, *limits, reason.as_str(), actor).await?;
        }
        tx.commit().await?;
        self.fund(|wanting| wanting.concerns(key), actor, &format!("the budget was set anew: {reason}")).await
    }

    /// Lets go of what a run holds for calls that were cut off, since a person says that they were not
    /// paid, and lets those runs go on that now fit. Tells how many calls were let go.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn release_reservations(&self, run: Uuid, reason: &Reason, actor: &str) -> Result<u32, Error> {
        let mut tx = self.pool.begin().await?;
        let stored = locked(&mut tx, run).await?;
        let released = budget::release(&mut tx, run, &format!("{actor}: {reason}")).await?;
        tx.commit().await?;
        let product = stored.spec.product;
        let why = format!("what was held for calls of run {run} was let go: {reason}");
        self.fund(|wanting| wanting.concerns(&product), actor, &why).await?;
        Ok(released)
    }

    /// Lets runs go on that were paused for want of a budget and now fit: a day is over, or calls of
    /// others used less than was held for them. Tells which.
    ///
    /// # Errors
    /// When the database does not answer; what was resumed stays resumed.
    pub async fn resume_funded(&self) -> Result<Vec<Uuid>, Error> {
        self.fund(|_| true, "clock", "the next call fits the budget").await
    }

    async fn fund(
        &self,
        is_asked_for: impl Fn(&UnfundedRun) -> bool,
        actor: &str,
        why: &str,
    ) -> Result<Vec<Uuid>, Error> {
        let wanting = budget::unfunded_runs(&self.pool, WANTING).await?;
        let mut promised = Promised::default();
        // Those that go on already, but have not reserved their call yet.
        wanting.iter().filter(|it| !it.is_paused).for_each(|it| promised.add(it));
        let mut resumed = Vec::new();
        for it in wanting.iter().filter(|it| it.is_paused && is_asked_for(it)) {
            if Account::admit_all(&promised.beside(it), it.estimate).is_err() {
                continue;
            }
            // One that somebody else resumed meanwhile takes its share as well.
            promised.add(it);
            if self.resume_for_budget(it.run_id, actor, why).await? {
                resumed.push(it.run_id);
            }
        }
        Ok(resumed)
    }

    /// Lets a run go on if it is paused for want of a budget and for nothing else.
    async fn resume_for_budget(&self, run: Uuid, actor: &str, why: &str) -> Result<bool, Error> {
        let mut tx = self.pool.begin().await?;
        let stored = held(&mut tx, run).await?.stored;
        if !matches!(&stored.run.state, State::Paused { cause: PauseCause::Budget, .. }) {
            return Ok(false);
        }
        self.wake(&mut tx, stored, actor, Event::Resumed { reason: why.to_owned() }).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// What was promised to runs that go on, by product.
#[derive(Default)]
struct Promised(HashMap<String, Amount>);

impl Promised {
    fn add(&mut self, wanting: &UnfundedRun) {
        let so_far = self.0.entry(wanting.product.clone()).or_default();
        let (tokens, micro_dollars) = (wanting.estimate.tokens, wanting.estimate.micro_dollars.unwrap_or(0));
        *so_far = so_far.plus(Amount { tokens, micro_dollars });
    }

    /// The accounts of a run, as if all that was promised to others were reserved.
    fn beside(&self, wanting: &UnfundedRun) -> Vec<Account> {
        let promised = self.0.get(&wanting.product).copied().unwrap_or_default();
        let mut accounts = wanting.accounts.clone();
        for account in accounts.iter_mut().filter(|account| account.scope != Scope::Run) {
            account.used.reserved = account.used.reserved.plus(promised);
        }
        accounts
    }
}
