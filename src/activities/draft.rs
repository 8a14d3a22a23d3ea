//! Asking the model for a change until it fits: at most three answers, each whole or not at all.

use super::{Failure, attempt::Attempt, context};
use crate::{
    core::{
        edit::{self, Answer, Intent, Written},
        sha::Sha,
    },
    llm::{Complaint, Prompt, Repair},
    store::effect,
    workspace::Mirror,
};

/// The most answers that are asked for, the first included.
const MOST_ANSWERS: u32 = 3;

/// What the model wants, checked against the files it was shown.
pub(super) enum Draft {
    /// These files shall change.
    Written {
        /// The answer, for its title and explanation.
        answer: Answer,
        /// The files, before and after; never empty.
        files: Vec<Written>,
    },
    /// It cannot be done, says the model.
    Declined(String),
}

impl Attempt<'_> {
    /// The commit that an earlier attempt at this visit showed the model, so that its paid answer still fits.
    pub(super) async fn pinned(&self) -> Result<Option<Sha>, Failure> {
        let key = format!("{}/model.1", self.scope());
        let asked = effect::get(&self.factory.pool, self.task.lease.run, &key).await?;
        Ok(asked.and_then(|asked| asked.request.get("basis")?.as_str()?.parse().ok()))
    }

    /// Asks for a change of `basis` until an answer fits.
    pub(super) async fn draft(&self, mirror: &Mirror, basis: &Sha, first: Prompt) -> Result<Draft, Failure> {
        let (mut prompt, mut last) = (first, String::new());
        for number in 1..=MOST_ANSWERS {
            let reply = self.ask(number, &prompt, basis).await?;
            let complaints = match self.fit(mirror, basis, &reply.text).await? {
                Ok(draft) => return Ok(draft),
                Err(complaints) => complaints,
            };
            last = complaints.iter().map(|complaint| complaint.what.as_str()).collect::<Vec<_>>().join("; ");
            let mend =
                Repair { asked: &prompt, answer: &reply.text, complaints: &complaints, attempt: number + 1 };
            prompt = mend.prompt();
        }
        Err(Failure::last(format!("none of {MOST_ANSWERS} answers of the model could be used: {last}")))
    }

    /// Reads an answer and carries it out on the files of `basis`; else what is wrong with it.
    async fn fit(
        &self,
        mirror: &Mirror,
        basis: &Sha,
        text: &str,
    ) -> Result<Result<Draft, Vec<Complaint>>, Failure> {
        let answer = match Answer::parse(text) {
            Ok(answer) => answer,
            Err(malformed) => return Ok(Err(vec![Complaint::from(&malformed)])),
        };
        let blocks = match &answer.intent {
            Intent::Decline(reason) => return Ok(Ok(Draft::Declined(reason.clone()))),
            Intent::Blocks(blocks) => blocks,
        };
        let paths = blocks.iter().map(|block| block.path.as_str()).collect();
        let before = context::texts(mirror, basis, paths).await?;
        Ok(match edit::apply(&answer, |path| before.get(path.as_str()).cloned()) {
            Ok(files) if files.is_empty() => Err(vec![Complaint {
                what: "the answer changes nothing".to_owned(),
                path: None,
                nearest: String::new(),
            }]),
            Ok(files) => Ok(Draft::Written { answer, files }),
            Err(failed) => Err(failed.iter().map(Complaint::from).collect()),
        })
    }
}
