//! Asks the model until an answer can be used; each answer is used as a whole or not at all.

use super::{Failure, attempt::Attempt, ledger};
use crate::{
    core::sha::Sha,
    llm::{Complaint, Prompt, Repair},
    store::effect,
};

/// The most answers that are asked for, the first included.
pub(super) const MOST_ANSWERS: u32 = 3;

impl Attempt<'_> {
    /// Asks until `read` accepts an answer; what `read` complains of goes into the next prompt.
    pub(super) async fn ask<T, R>(
        &self,
        basis: &Sha,
        first: Prompt,
        read: impl Fn(String) -> R,
    ) -> Result<T, Failure>
    where
        R: Future<Output = Result<Result<T, Vec<Complaint>>, Failure>>,
    {
        let (mut prompt, mut last) = (first, String::new());
        for number in 1..=MOST_ANSWERS {
            let reply = self.call(number, &prompt, basis).await?;
            let complaints = match read(reply.text.clone()).await? {
                Ok(read) => return Ok(read),
                Err(complaints) => complaints,
            };
            last = complaints.iter().map(|complaint| complaint.what.as_str()).collect::<Vec<_>>().join("; ");
            let (answer, complaints) = (&reply.text, &complaints[..]);
            prompt = Repair { asked: &prompt, answer, complaints, attempt: number + 1 }.prompt();
        }
        Err(Failure::unusable(format!("none of {MOST_ANSWERS} answers of the model could be used: {last}")))
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
