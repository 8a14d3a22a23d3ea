//! One call of the model: what it can use is reserved before it is made, what it used is settled after it.
//!
//! | the call | the reservation |
//! |---|---|
//! | got a usable answer | is settled at the usage, in the transaction that records the answer |
//! | got an answer that cannot be used (cut at the token limit, refused, empty) | is settled at the usage |
//! | was turned away (429, 401, 4xx, 500, 503) or never sent (no connection) | is settled at nothing |
//! | was cut off (a timeout, a broken stream, 502, 504, too long to read, a killed worker) | stays |

use super::{
    Failure,
    attempt::Attempt,
    ledger::{Answered, Before, Effect as _, ModelCallIntent, before, to_json},
};
use crate::{
    core::{
        budget::{Amount, Estimate},
        circles::too_many_calls,
        run::PauseCause,
        sha::Sha,
    },
    llm::{self, Bill, Prompt, Reply},
    store::{self, budget, effect},
};

impl Attempt<'_> {
    /// The key of this visit's model call with this number.
    pub(super) fn call_key(&self, number: u32) -> String {
        format!("{}/model.{number}", self.scope())
    }

    /// Makes one call of the model; a reply that is recorded is never paid for again.
    pub(super) async fn call(&self, number: u32, prompt: &Prompt, basis: &Sha) -> Result<Reply, Failure> {
        let key = self.call_key(number);
        let model = &self.factory.model;
        let intent = ModelCallIntent {
            task: prompt.task,
            model: model.config().model_for(prompt.task).to_owned(),
            basis: basis.clone(),
            digest: prompt.digest(),
            prompt: prompt.clone(),
        };
        if let Before::Done(answered) = self.begin_call(&key, &intent, model.estimate(prompt)).await? {
            return Ok(answered.reply);
        }
        let mut reply = match model.ask(prompt).await {
            Ok(reply) => reply,
            Err(error) => return Err(self.failed_call(&key, error).await),
        };
        // Postgres' text cannot hold a NUL: the reply could not be recorded, and would be paid for again.
        reply.text = reply.text.replace('\0', "\u{fffd}");
        let prices = model.config().prices;
        let micro_dollars = prices.map(|prices| reply.usage.micro_dollars(prices.input, prices.output));
        let answered = Answered { reply, micro_dollars };
        self.observe_call(&key, &answered).await?;
        Ok(answered.reply)
    }

    /// Records the intent and reserves what the call can use, both or neither: a call that exceeds a
    /// budget leaves no intent.
    async fn begin_call(
        &self,
        key: &str,
        intent: &ModelCallIntent,
        estimate: Estimate,
    ) -> Result<Before<ModelCallIntent>, Failure> {
        self.check_lease()?;
        let request = to_json(intent)?;
        let (pool, lease) = (&self.factory.pool, &self.lease);
        let mut tx = pool.begin().await?;
        let begun = effect::begin(&mut *tx, lease, key, ModelCallIntent::KIND, &request).await?;
        let begun = before(key, begun)?;
        if matches!(begun, Before::Done(_)) {
            return Ok(begun);
        }
        let answered = effect::calls_without_head(&mut *tx, lease.run).await?;
        let answered = u32::try_from(answered).unwrap_or(u32::MAX);
        if let Some(reason) = too_many_calls(answered, self.factory.calls_without_head) {
            return Err(Failure::Halt { cause: PauseCause::Breaker, reason });
        }
        let product = &self.stored.spec.product;
        if let Err(exceeded) = budget::reserve(&mut tx, lease, product, key, estimate).await? {
            tx.rollback().await?;
            budget::record_refusal(pool, lease.run, product, estimate).await?;
            return Err(Failure::Halt { cause: PauseCause::Budget, reason: exceeded.to_string() });
        }
        tx.commit().await?;
        Ok(begun)
    }

    /// Records the reply and settles what it used, both or neither.
    async fn observe_call(&self, key: &str, answered: &Answered) -> Result<(), Failure> {
        let result = to_json(answered)?;
        let mut tx = self.factory.pool.begin().await?;
        effect::observe(&mut *tx, self.lease.run, key, &result).await?;
        let used = self.factory.model.amount(answered.reply.usage);
        budget::settle(&mut tx, &self.lease, key, used, true).await?;
        Ok(tx.commit().await?)
    }

    /// Settles what a call without a usable reply used, if that is known.
    async fn failed_call(&self, key: &str, error: llm::Error) -> Failure {
        let (used, is_reported) = match error.bill() {
            Bill::Nothing => (Amount::default(), false),
            Bill::Used(usage) => (self.factory.model.amount(usage), true),
            Bill::Unknown => return error.into(),
        };
        let settled: store::Result<()> = async {
            let mut tx = self.factory.pool.begin().await?;
            budget::settle(&mut tx, &self.lease, key, used, is_reported).await?;
            tx.commit().await
        }
        .await;
        // What is not settled stays reserved, so that a budget is never exceeded.
        if let Err(error) = settled {
            let run = self.lease.run;
            tracing::warn!(run.id = %run, %error, "a failed model call was not settled: {error}");
        }
        error.into()
    }
}
