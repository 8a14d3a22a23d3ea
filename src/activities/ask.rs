//! Asks the model until an answer can be used; each answer is used as a whole or not at all.

use super::{Failure, attempt::Attempt, ledger};
use crate::{
    core::sha::Sha,
    llm::{Complaint, DoWithout, FixTests, Prompt, ProveAgain, RedTests, Repair},
    store::effect,
};

/// The most answers that may be unusable, the first included.
pub(super) const MOST_ANSWERS: u32 = 3;

/// Why an answer is not taken.
pub(super) enum Objection {
    /// It does not fit.
    Unusable(Vec<Complaint>),
    /// Its case proves nothing. How often that may be, `read` says.
    Unproven {
        /// Why, in a sentence.
        why: String,
        /// The output of the tests with it; empty if they did not run.
        log: String,
    },
    /// A person refused the dependencies that it brings; the refusal.
    Refused(String),
    /// The tests do not pass with it.
    Red(Box<RedTests>),
}

impl Attempt<'_> {
    /// Asks until `read` accepts an answer; what `read` objects to goes into the next prompt. How often answers may be
    /// objected to for their tests is for `read` to say.
    pub(super) async fn ask<T, R>(
        &self,
        basis: &Sha,
        first: Prompt,
        read: impl Fn(String) -> R,
    ) -> Result<T, Failure>
    where
        R: Future<Output = Result<Result<T, Objection>, Failure>>,
    {
        let (mut prompt, mut number, mut unusable) = (first, 0, 0);
        loop {
            number += 1;
            let reply = self.call(number, &prompt, basis).await?;
            let answer = &reply.text;
            let complaints = match read(answer.clone()).await? {
                Ok(read) => return Ok(read),
                Err(Objection::Red(tests)) => {
                    prompt = FixTests { asked: &prompt, answer, tests: &tests }.prompt();
                    continue;
                }
                Err(Objection::Refused(refusal)) => {
                    prompt = DoWithout { asked: &prompt, answer, refusal: &refusal }.prompt();
                    continue;
                }
                Err(Objection::Unproven { why, log }) => {
                    prompt = ProveAgain { asked: &prompt, answer, why: &why, log: &log }.prompt();
                    continue;
                }
                Err(Objection::Unusable(complaints)) => complaints,
            };
            unusable += 1;
            if unusable == MOST_ANSWERS {
                let last: Vec<&str> = complaints.iter().map(|complaint| complaint.what.as_str()).collect();
                let last = last.join("; ");
                let error = format!("none of {MOST_ANSWERS} answers of the model could be used: {last}");
                return Err(Failure::unusable(error));
            }
            let attempt = unusable + 1;
            prompt = Repair { asked: &prompt, answer, complaints: &complaints, attempt }.prompt();
        }
    }

    /// The commit that an earlier attempt at this visit showed to the model, so that its paid answer still fits.
    pub(super) async fn pinned(&self) -> Result<Option<Sha>, Failure> {
        let key = self.call_key(1).await?;
        let Some(row) = effect::get(&self.factory.pool, self.lease.run, &key).await? else {
            return Ok(None);
        };
        let call: ledger::ModelCallIntent = ledger::intent(&key, row.request)?;
        Ok(Some(call.basis))
    }
}
