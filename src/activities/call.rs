//! One call of the model: what it can use is reserved before it is made, what it used is settled after it.
//!
//! | the call | the reservation |
//! |---|---|
//! | got a usable answer | is settled at the usage, in the transaction that records the answer |
//! | was cut at the token limit | is settled at the usage, and recorded as cut: the same prompt would be cut again |
//! | got an answer that cannot be used (refused, empty) | is settled at the usage |
//! | was turned away (429, 401, 4xx, 500, 503) or never sent (no connection, held back) | is settled at nothing |
//! | was cut off (a timeout, a broken stream, 502, 504, too long to read, a killed worker) | stays |
//!
//! While all callers of the model are held back, the fallback is asked under the same key: by the same attempt if the
//! model's own call cost nothing, else by the next one, which has a reservation of its own. Each call is reserved and
//! settled at the prices of the model that is asked.

use std::time::Duration;

use serde_json::json;

use super::{
    Failure,
    attempt::Attempt,
    ledger::{Answered, Before, Effect as _, ModelCallIntent, before, intent, to_json},
};
use crate::{
    core::{
        budget::{Amount, Estimate},
        circles::too_many_calls,
        edit,
        outage::{Held, Outage},
        run::PauseCause,
        sha::Sha,
    },
    llm::{self, Bill, Model, Prompt, Reply, Task, Usage},
    store::{self, budget, effect},
};

/// What a model is asked.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) prompt: &'a Prompt,
    /// The commit whose files the prompt shows.
    pub(super) basis: &'a Sha,
    /// The paths of the blocks that the prompt says are kept.
    pub(super) kept: &'a [String],
}

/// The model that a call asks.
struct Asked<'a> {
    model: &'a Model,
    /// The model that it stands in for.
    fallback_for: Option<String>,
}

impl Attempt<'_> {
    /// The key of this visit's model call with this number, after what people have said so far.
    pub(super) async fn call_key(&self, number: u32) -> Result<String, Failure> {
        Ok(format!("{}{}/model.{number}", self.scope(), self.after().await?))
    }

    /// The intent of this visit's model call with this number, as it was recorded.
    pub(super) async fn recorded_call(&self, number: u32) -> Result<Option<ModelCallIntent>, Failure> {
        let key = self.call_key(number).await?;
        let row = effect::get(&self.factory.pool, self.lease.run, &key).await?;
        row.map(|row| intent(&key, row.request)).transpose()
    }

    /// Makes one call of the model, or of its fallback while it is down; a reply that is recorded is never paid for
    /// again, whichever of the two it is of.
    pub(super) async fn call(&self, number: u32, question: Question<'_>) -> Result<Reply, Failure> {
        let key = self.call_key(number).await?;
        let task = question.prompt.task;
        let configured = Asked { model: &self.factory.model, fallback_for: None };
        let error = match self.ask_once(&key, &configured, question).await? {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        let (Some(outage), Some(fallback)) = (error.outage(), self.fallback(task)) else {
            return Err(error.into());
        };
        let down = Failure::outage_of(outage, &error);
        if error.bill() == Bill::Unknown {
            // At once: the next attempt finds the breaker open, and asks the fallback.
            return Err(Failure::Outage(Box::new(Outage { wait: Duration::ZERO, ..down })));
        }
        match self.ask_once(&key, &fallback, question).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(neither(down, error)),
            // What the fallback would cost too much the model itself may not: the run waits for that.
            Err(Failure::Halt { cause: PauseCause::Budget, reason }) => {
                let error = format!("{}; its fallback is not asked: {reason}", down.error);
                Err(Failure::Outage(Box::new(Outage { error, ..down })))
            }
            Err(failure) => Err(failure),
        }
    }

    fn fallback(&self, task: Task) -> Option<Asked<'_>> {
        let config = self.factory.model.config();
        let model = self.factory.fallback.as_ref().filter(|_| config.fallback_for(task).is_some())?;
        Some(Asked { model, fallback_for: Some(config.model_for(task).to_owned()) })
    }

    /// Makes one call of one model. What it costs is settled, whatever comes of it.
    async fn ask_once(
        &self,
        key: &str,
        asked: &Asked<'_>,
        Question { prompt, basis, kept }: Question<'_>,
    ) -> Result<Result<Reply, llm::Error>, Failure> {
        let Asked { model, fallback_for } = asked;
        let intent = ModelCallIntent {
            task: prompt.task,
            model: model.config().model_for(prompt.task).to_owned(),
            fallback_for: fallback_for.clone(),
            basis: basis.clone(),
            digest: prompt.digest(),
            prompt: prompt.clone(),
            kept: kept.to_vec(),
            edition: edit::EDITION,
        };
        if let Before::Done(answered) = self.begin_call(key, &intent, model.estimate(prompt)).await? {
            return Ok(Ok(self.noted(answered)));
        }
        let mut reply = match model.ask(prompt).await {
            Ok(reply) => reply,
            Err(llm::Error::TooLong(usage)) => Reply::cut(&intent.model, usage),
            Err(error) => {
                self.settle_failed(key, model, &error).await;
                return Ok(Err(error));
            }
        };
        // Postgres' text cannot hold a NUL: the reply could not be recorded, and would be paid for again.
        reply.text = reply.text.replace('\0', "\u{fffd}");
        let prices = model.config().prices;
        let micro_dollars = prices.map(|prices| reply.usage.micro_dollars(prices.input, prices.output));
        let answered = Answered { reply, micro_dollars, fallback_for: fallback_for.clone() };
        self.observe_call(key, model, &answered).await?;
        Ok(Ok(self.noted(answered)))
    }

    /// The reply; that a fallback gave it will be in the note of the step's answer.
    fn noted(&self, answered: Answered) -> Reply {
        let Answered { reply, fallback_for, .. } = answered;
        if let Some(model) = fallback_for {
            let remark = || format!("asked the fallback {}, since {model} was down", reply.model);
            self.stood_in.get_or_init(remark);
        }
        reply
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
        if matches!(begun, Before::Unknown(_)) {
            let asked =
                json!({ "model": intent.model, "fallback_for": intent.fallback_for, "kept": intent.kept });
            effect::amend(&mut tx, lease.run, key, &asked).await?;
        }
        let answered = effect::calls_without_head(&mut *tx, lease.run).await?;
        let answered = u32::try_from(answered).unwrap_or(u32::MAX);
        if let Some(reason) = too_many_calls(answered, self.factory.calls_without_head) {
            return Err(Failure::Halt { cause: PauseCause::Breaker, reason });
        }
        let product = &self.stored.spec.product;
        if let Err(exceeded) = budget::reserve(&mut tx, lease, product, key, estimate).await? {
            tx.rollback().await?;
            if intent.fallback_for.is_none() {
                budget::record_refusal(pool, lease.run, product, estimate).await?;
            }
            return Err(Failure::Halt { cause: PauseCause::Budget, reason: exceeded.to_string() });
        }
        tx.commit().await?;
        Ok(begun)
    }

    /// Records the reply and settles what it used, both or neither.
    async fn observe_call(&self, key: &str, model: &Model, answered: &Answered) -> Result<(), Failure> {
        let (result, usage) = (to_json(answered)?, answered.reply.usage);
        let mut tx = self.factory.pool.begin().await?;
        effect::observe(&mut *tx, self.lease.run, key, &result).await?;
        budget::settle(&mut tx, &self.lease, key, model.amount(usage), Some(self.most(usage))).await?;
        Ok(tx.commit().await?)
    }

    /// Settles what a call without a usable reply used, if that is known.
    async fn settle_failed(&self, key: &str, model: &Model, error: &llm::Error) {
        let (used, assumed) = match error.bill() {
            Bill::Nothing => (Amount::default(), None),
            Bill::Used(usage) => (model.amount(usage), Some(self.most(usage))),
            Bill::Unknown => return,
        };
        let settled: store::Result<()> = async {
            let mut tx = self.factory.pool.begin().await?;
            budget::settle(&mut tx, &self.lease, key, used, assumed).await?;
            tx.commit().await
        }
        .await;
        // What is not settled stays reserved, so that a budget is never exceeded.
        if let Err(error) = settled {
            let run = self.lease.run;
            tracing::warn!(run.id = %run, %error, "a failed model call was not settled: {error}");
        }
    }

    /// What an earlier call of the same prompt is assumed to have used, which may have been of the dearer model.
    fn most(&self, usage: Usage) -> Amount {
        let amounts = [Some(&self.factory.model), self.factory.fallback.as_ref()].into_iter().flatten();
        let micro_dollars = amounts.map(|model| model.amount(usage).micro_dollars).max().unwrap_or_default();
        Amount { tokens: usage.tokens(), micro_dollars }
    }
}

/// Why neither the model nor its fallback gave an answer. Whatever is wrong with the fallback, the run waits for either of
/// them; only an answer of the fallback that cannot be used is a failure.
fn neither(down: Outage, error: llm::Error) -> Failure {
    let of_fallback = match &error {
        llm::Error::TooLong(_) | llm::Error::Refused(..) | llm::Error::Empty(_) | llm::Error::Oversize => {
            return error.into();
        }
        llm::Error::Down { outage, .. } => Some(outage.as_ref()),
        llm::Error::Held(Held::Outage(outage)) => Some(outage),
        llm::Error::Held(Held::Limit(_))
        | llm::Error::Transient { .. }
        | llm::Error::Auth(_)
        | llm::Error::Rejected(_) => None,
    };
    Failure::Outage(Box::new(match of_fallback {
        Some(outage) => down.with_fallback(Failure::outage_of(outage, &error)),
        None => Outage {
            error: format!("{}; its fallback: {error}", down.error),
            // A call that may have been paid keeps its number.
            was_made: down.was_made || error.bill() == Bill::Unknown,
            ..down
        },
    }))
}
