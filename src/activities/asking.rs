//! What people are asked and have said: the wait for their answers, and what of it the model is shown.

use super::{
    Failure, Reply,
    attempt::Attempt,
    ledger::{Effect as _, ModelCallIntent},
    wait::wait_for_answers,
};
use crate::{
    core::{question::ROUNDS_LIMIT, run::Progress, words::counted},
    engine::{Asked, asks},
    llm::{Amendment, Complaint, Exchange, Said},
    store::{amendment, effect, question, requirement},
};

impl Attempt<'_> {
    /// The wait for answers to what this step asked, if there are none yet: nothing else is looked at, and nobody called.
    pub(super) async fn awaits_answers(&self) -> Result<Option<Reply>, Failure> {
        if self.run().asked == 0 {
            return Ok(None);
        }
        let last = question::last(&self.factory.pool, self.lease.run).await?;
        let Some(open) = last.filter(|last| asks(&self.stored, last)) else { return Ok(None) };
        let reason = self.awaited(open.questions.len()).await?;
        Ok(Some(Reply::Park(wait_for_answers(self, reason), Progress::default())))
    }

    /// The reply that asks people; what is wrong with it if the run may ask no more.
    pub(super) async fn asks(&self, questions: Vec<String>) -> Result<Result<Reply, Complaint>, Failure> {
        let run = self.lease.run;
        if self.run().asked >= ROUNDS_LIMIT {
            let what =
                format!("questions were asked {ROUNDS_LIMIT} times; answer with the change, or decline");
            return Ok(Err(Complaint::general(&what)));
        }
        if effect::get(&self.factory.pool, run, &self.push_key(1)).await?.is_some() {
            let what =
                "a change was written already; give it again without what is wrong with it, or decline";
            return Ok(Err(Complaint::general(what)));
        }
        let park = wait_for_answers(self, self.awaited(questions.len()).await?);
        Ok(Ok(Reply::Ask(Asked { questions, park, edition: self.brief.edition() })))
    }

    /// Who is asked, after "waiting for".
    async fn awaited(&self, questions: usize) -> Result<String, Failure> {
        let who = match self.brief.requirement() {
            Some(requirement) => requirement::requester(&self.factory.pool, requirement).await?.name,
            None => self.brief.gap().map(|gap| gap.opened_by.clone()).unwrap_or_default(),
        };
        let who = if who.is_empty() { "the requester".to_owned() } else { who };
        let questions = counted(super::count(questions), "question");
        Ok(format!("{who} to answer {questions} (aspora run questions {})", self.lease.run))
    }

    /// What people said about the requirement since it was submitted; nothing of a pull request that others opened.
    pub(super) async fn said(&self) -> Result<Said, Failure> {
        let pool = &self.factory.pool;
        let exchange = |round: question::Round| Exchange {
            questions: round.questions,
            answers: round.answers.unwrap_or_default(),
        };
        let is_enough = self.run().asked >= ROUNDS_LIMIT;
        let Some(requirement) = self.brief.requirement() else {
            let rounds = match self.brief.gap() {
                Some(_) => question::of_run(pool, self.lease.run).await?,
                None => Vec::new(),
            };
            let rounds = rounds.into_iter().filter(|round| round.answers.is_some()).map(exchange).collect();
            return Ok(Said { rounds, is_enough, ..Said::default() });
        };
        let rounds = question::answered(pool, requirement).await?.into_iter().map(exchange).collect();
        let amendments = match self.brief.edition() {
            0 => Vec::new(),
            _ => amendment::list(pool, requirement).await?,
        };
        let text = |title: &str, body: &str| format!("{title}\n\n{body}\n");
        let amendments = amendments.iter().map(|row| Amendment {
            before: text(&row.title_before, &row.body_before),
            after: text(&row.title_after, &row.body_after),
        });
        Ok(Said { rounds, amendments: amendments.collect(), is_enough, notes: Vec::new() })
    }

    /// The part of the keys of model calls that says after how many amendments and rounds of questions they are made: an
    /// answer that asked, or is to an earlier text, is not taken for one to the new prompt. Once a change of this visit
    /// may have been pushed, the answer that it came from stays the one that counts; it is the review that judges it by
    /// the new text.
    pub(super) async fn after(&self) -> Result<String, Failure> {
        let after = match (self.brief.edition(), self.run().asked) {
            (0, 0) => return Ok(String::new()),
            (edition, rounds) => format!("/after.{edition}.{rounds}"),
        };
        let (pool, run) = (&self.factory.pool, self.lease.run);
        if effect::get(pool, run, &self.push_key(1)).await?.is_none() {
            return Ok(after);
        }
        let scope = self.scope();
        let calls = effect::of_run(pool, run).await?.into_iter().rev();
        let part = |key: String| Some(key.strip_prefix(&scope)?.split_once("/model.")?.0.to_owned());
        let last = calls.filter(|row| row.kind == ModelCallIntent::KIND).find_map(|row| part(row.key));
        Ok(last.unwrap_or(after))
    }
}
