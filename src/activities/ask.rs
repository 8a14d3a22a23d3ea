//! Asks the model until an answer can be used. What is good in an answer is kept while what failed is asked for again;
//! together they are used as a whole or not at all.

use super::{Failure, attempt::Attempt, call::Question, ledger::ModelCallIntent};
use crate::{
    core::{edit::Kept, sha::Sha},
    llm::{Complaint, DoWithout, FixTests, Prompt, ProveAgain, RedTests, Repair, Shorter},
};

/// The most answers that may be unusable, the first included.
pub(super) const MOST_ANSWERS: u32 = 3;

/// Why the run stops where a shorter answer is too long as well.
const CUT_TWICE: &str = "the model's answer was cut at its token limit, and so was the shorter one that it was asked for: \
                         split the requirement, or raise ASPORA_MODEL_OUTPUT_TOKENS, and retry the run";

/// An answer that is to be read.
pub(super) struct Given {
    pub(super) text: String,
    /// What is kept of the answers before it.
    pub(super) kept: Kept,
    /// An earlier release refused it and asked again, though it might be read by now.
    pub(super) is_refused: bool,
}

/// Why an answer is not taken.
pub(super) enum Objection {
    /// It does not fit; what of it is kept.
    Unusable(Vec<Complaint>, Kept),
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

impl Objection {
    /// Something is wrong with the answer as a whole.
    pub(super) fn unusable(complaint: Complaint) -> Self {
        Self::Unusable(vec![complaint], Kept::default())
    }
}

impl Attempt<'_> {
    /// Asks until `read` accepts an answer; what `read` objects to goes into the next prompt. How often answers may be
    /// objected to for their tests is for `read` to say.
    pub(super) async fn ask<T, R>(
        &self,
        basis: &Sha,
        first: Prompt,
        read: impl Fn(Given) -> R,
    ) -> Result<T, Failure>
    where
        R: Future<Output = Result<Result<T, Objection>, Failure>>,
    {
        let (mut prompt, mut number, mut unusable) = (first, 0, 0);
        let (mut kept, mut was_cut) = (Kept::default(), false);
        loop {
            number += 1;
            let question = Question { prompt: &prompt, basis, kept: &kept.paths() };
            let reply = self.call(number, question).await?;
            if reply.is_cut() {
                if std::mem::replace(&mut was_cut, true) {
                    return Err(Failure::unusable(CUT_TWICE));
                }
                prompt = Shorter { asked: &prompt }.prompt();
                continue;
            }
            let answer = &reply.text;
            let read = match self.given(number, answer, std::mem::take(&mut kept)).await? {
                Ok(given) => read(given).await?,
                Err(objection) => Err(objection),
            };
            let complaints = match read {
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
                Err(Objection::Unusable(complaints, good)) => {
                    kept = good;
                    complaints
                }
            };
            unusable += 1;
            if unusable == MOST_ANSWERS {
                return Err(none_usable(&complaints));
            }
            let attempt = unusable + 1;
            prompt =
                Repair { asked: &prompt, answer, complaints: &complaints, attempt, kept: &kept }.prompt();
        }
    }

    /// The answer with what its prompt says is kept, which may have been an earlier release's prompt. If that is not what
    /// is kept by now, nobody can say what the answer lacks.
    async fn given(&self, number: u32, text: &str, kept: Kept) -> Result<Result<Given, Objection>, Failure> {
        let said = match number {
            1 => Vec::new(),
            _ => self.recorded_call(number).await?.map(|call| call.kept).unwrap_or_default(),
        };
        let next = self.recorded_call(number + 1).await?;
        let is_refused = next.is_some_and(|next: ModelCallIntent| next.edition == 0);
        Ok(match kept.as_said(&said) {
            Some(kept) => Ok(Given { text: text.to_owned(), kept, is_refused }),
            None => Err(Objection::unusable(Complaint::general("it is not known any more what was kept"))),
        })
    }

    /// The commit that an earlier attempt at this visit showed to the model, so that its paid answer still fits.
    pub(super) async fn pinned(&self) -> Result<Option<Sha>, Failure> {
        Ok(self.recorded_call(1).await?.map(|call| call.basis))
    }
}

fn none_usable(complaints: &[Complaint]) -> Failure {
    let last: Vec<&str> = complaints.iter().map(|complaint| complaint.what.as_str()).collect();
    let last = last.join("; ");
    Failure::unusable(format!("none of {MOST_ANSWERS} answers of the model could be used: {last}"))
}
