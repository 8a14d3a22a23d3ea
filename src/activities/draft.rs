//! Drafting a change: the model's answer, applied to the files that it was shown.

use super::{Failure, Reply, ask::Objection, attempt::Attempt, context, publish::edits};
use crate::{
    core::{
        clash::Clash,
        edit::{self, Answer, Intent, Written},
        sha::Sha,
    },
    llm::{Complaint, Prompt},
    workspace::Mirror,
};

/// The model's answer, checked against the files that it was shown.
pub(super) enum Draft {
    /// A change.
    Written {
        /// The title that the model gave.
        title: Option<String>,
        /// Why the change is as it is; may be empty.
        explanation: String,
        /// The files, before and after; never empty.
        files: Vec<Written>,
    },
    /// The model says that the change cannot be made, and why.
    Declined(String),
    /// The model has questions, which people are to answer; the reply that asks them.
    Asked(Reply),
}

impl Attempt<'_> {
    /// Asks for a change of `basis` until an answer fits its files and `accept` takes it; what `accept` objects to
    /// goes into the next prompt.
    pub(super) async fn draft<T, R>(
        &self,
        mirror: &Mirror,
        basis: &Sha,
        first: Prompt,
        accept: impl Fn(Draft) -> R,
    ) -> Result<T, Failure>
    where
        R: Future<Output = Result<Result<T, Objection>, Failure>>,
    {
        let accept = &accept;
        let read = |text| async move {
            match fit(self, mirror, basis, text).await? {
                Ok(draft) => accept(draft).await,
                Err(complaints) => Ok(Err(Objection::Unusable(complaints))),
            }
        };
        self.ask(basis, first, read).await
    }
}

/// Reads an answer and applies it to the files of `basis`; else what is wrong with it.
async fn fit(
    at: &Attempt<'_>,
    mirror: &Mirror,
    basis: &Sha,
    text: String,
) -> Result<Result<Draft, Vec<Complaint>>, Failure> {
    let answer = match Answer::parse(&text) {
        Ok(answer) => answer,
        Err(malformed) => return Ok(Err(vec![Complaint::from(&malformed)])),
    };
    let blocks = match &answer.intent {
        Intent::Decline(reason) => return Ok(Ok(Draft::Declined(reason.clone()))),
        Intent::Ask(questions) => {
            let asked = at.asks(questions.clone()).await?;
            return Ok(asked.map(Draft::Asked).map_err(|complaint| vec![complaint]));
        }
        Intent::Blocks(blocks) => blocks,
    };
    let paths = blocks.iter().map(|block| block.path.as_str()).collect();
    let before = context::texts(mirror, basis, paths).await?;
    let files = match edit::apply(&answer, |path| before.get(path.as_str()).cloned()) {
        Ok(applied) if applied.files.is_empty() => {
            return Ok(Err(vec![Complaint::general("the answer changes nothing")]));
        }
        Ok(applied) => applied.files,
        Err(failed) => return Ok(Err(failed.iter().map(Complaint::from).collect())),
    };
    let clashes = mirror.clashes(basis, &edits(&files)).await?;
    if !clashes.is_empty() {
        return Ok(Err(clashes.iter().map(clashing).collect()));
    }
    Ok(Ok(Draft::Written { title: answer.title, explanation: answer.why, files }))
}

/// A new path that would overwrite another one on some systems.
fn clashing(clash: &Clash) -> Complaint {
    Complaint {
        what: format!("{}; use the existing path, or another name", clash.sentence()),
        path: Some(clash.path.clone()),
        nearest: String::new(),
    }
}
