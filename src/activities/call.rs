//! One call of the model: what it can use is held before it is made, what it used is settled after it.
//!
//! | the call | what is held for it |
//! |---|---|
//! | was answered | settled at its usage, in the transaction that records the answer |
//! | was answered, but not with a usable answer (cut at the limit of tokens, refused, empty) | settled at its usage |
//! | was turned away (429, 401, 4xx, 500, 503) or never sent (no connection) | settled at nothing |
//! | was cut off (a timeout, a broken stream, 502, 504, too long to read, a killed worker) | stays held |

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Failure,
    attempt::{Attempt, Before, Kind, read},
};
use crate::{
    core::{
        budget::{Amount, Estimate},
        circles::too_many_calls,
        run::PauseCause,
        sha::Sha,
    },
    llm::{self, Bill, Prompt, Reply},
    store::{
        self, budget,
        effect::{self, Begun},
    },
};

/// An answer of the model as the ledger keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    #[serde(flatten)]
    pub(super) reply: Reply,
    /// What it cost, where prices are set.
    #[serde(default)]
    pub(super) micro_dollars: Option<u64>,
}

impl Attempt<'_> {
    /// One call of the model. An answer that was paid for is never paid for again.
    pub(super) async fn ask(&self, number: u32, prompt: &Prompt, basis: &Sha) -> Result<Reply, Failure> {
        let key = format!("{}/model.{number}", self.scope());
        let model = &self.factory.model;
        let request = json!({
            "task": prompt.task.as_str(),
            "model": model.config().model_for(prompt.task),
            "basis": basis,
            "digest": prompt.digest(),
            "prompt": prompt,
        });
        if let Before::Done(Asked { reply, .. }) =
            self.begin_call(&key, &request, model.estimate(prompt)).await?
        {
            return Ok(reply);
        }
        let mut reply = match model.ask(prompt).await {
            Ok(reply) => reply,
            Err(error) => return Err(self.failed_call(&key, error).await),
        };
        // Postgres' text has no NUL; the answer would be lost with the money.
        reply.text = reply.text.replace('\0', "\u{fffd}");
        let prices = model.config().prices;
        let micro_dollars = prices.map(|prices| reply.usage.micro_dollars(prices.input, prices.output));
        let asked = Asked { reply, micro_dollars };
        self.observe_call(&key, &asked).await?;
        Ok(asked.reply)
    }

    /// Writes the intent down and holds what the call can use, both or neither: a call that is not
    /// admitted was never meant.
    async fn begin_call(
        &self,
        key: &str,
        request: &Value,
        estimate: Estimate,
    ) -> Result<Before<Asked>, Failure> {
        if self.task.lost.is_cancelled() {
            return Err(Failure::LeaseLost);
        }
        let (pool, lease) = (&self.factory.pool, &self.task.lease);
        let mut tx = pool.begin().await?;
        let begun = match effect::begin(&mut *tx, lease, key, Kind::ModelCall.as_str(), request).await? {
            Begun::Fresh(intent) => Before::Fresh(intent),
            Begun::Unknown(intent) => Before::Unknown(intent),
            Begun::Done(_, result) => return Ok(Before::Done(read(key, result)?)),
            Begun::LeaseLost => return Err(Failure::LeaseLost),
        };
        let answered = effect::calls_without_head(&mut *tx, lease.run).await?;
        let answered = u32::try_from(answered).unwrap_or(u32::MAX);
        if let Some(reason) = too_many_calls(answered, self.factory.calls_without_head) {
            return Err(Failure::Halt { cause: PauseCause::Breaker, reason });
        }
        let product = &self.task.run.spec.product;
        if let Err(exceeded) = budget::reserve(&mut tx, lease, product, key, estimate).await? {
            tx.rollback().await?;
            budget::record_refusal(pool, lease.run, product, estimate).await?;
            return Err(Failure::Halt { cause: PauseCause::Budget, reason: exceeded.to_string() });
        }
        tx.commit().await?;
        Ok(begun)
    }

    /// Records the answer and settles what it used, both or neither.
    async fn observe_call(&self, key: &str, asked: &Asked) -> Result<(), Failure> {
        let result = serde_json::to_value(asked).map_err(Failure::last)?;
        let mut tx = self.factory.pool.begin().await?;
        effect::observe(&mut *tx, self.task.lease.run, key, &result).await?;
        let used = self.factory.model.amount(asked.reply.usage);
        budget::settle(&mut tx, &self.task.lease, key, used, true).await?;
        Ok(tx.commit().await?)
    }

    /// Settles what a call without a usable answer used, if that is known.
    async fn failed_call(&self, key: &str, error: llm::Error) -> Failure {
        let (used, tells) = match error.bill() {
            Bill::Nothing => (Amount::default(), false),
            Bill::Used(usage) => (self.factory.model.amount(usage), true),
            Bill::Unknown => return error.into(),
        };
        let settled: store::Result<()> = async {
            let mut tx = self.factory.pool.begin().await?;
            budget::settle(&mut tx, &self.task.lease, key, used, tells).await?;
            tx.commit().await
        }
        .await;
        // What is not settled stays held, which errs on the side of whoever pays.
        if let Err(error) = settled {
            let run = self.task.lease.run;
            tracing::warn!(run.id = %run, %error, "a failed call was not settled: {error}");
        }
        error.into()
    }
}
