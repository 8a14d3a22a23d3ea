//! Drafting a change: the model's answer, applied to the files that it was shown.

use super::{
    Failure, Reply,
    ask::{Given, Objection},
    attempt::Attempt,
    context,
    publish::edits,
};
use crate::{
    core::{
        clash::Clash,
        edit::{self, Answer, Applied, BlockFailed, Forgiven, Intent, Kept, Part, Reading, Written},
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
        why: String,
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
        let read = |given| async move {
            match fit(self, mirror, basis, given).await? {
                Ok(draft) => accept(draft).await,
                Err(objection) => Ok(Err(objection)),
            }
        };
        self.ask(basis, first, read).await
    }

    /// Says in the log and in the note of the answer what was read past.
    fn read_past_slips(&self, forgiven: &[Forgiven]) {
        let note = edit::read_past(forgiven);
        if let Some(note) = &note {
            let (run, step) = (self.lease.run, &self.lease.step);
            let slips = forgiven.iter().map(|slip| slip.as_str()).collect::<Vec<_>>().join(",");
            tracing::info!(run.id = %run, step = %step, slips, "the answer of `{step}` of run {run}: {note}");
        }
        self.note_read_past(note);
    }
}

/// Reads an answer, puts it together with what is kept, and applies all of it to the files of `basis`; else what is wrong
/// with it.
async fn fit(
    at: &Attempt<'_>,
    mirror: &Mirror,
    basis: &Sha,
    given: Given,
) -> Result<Result<Draft, Objection>, Failure> {
    let Given { text, kept, is_refused } = given;
    at.note_read_past(None);
    let reading = Answer::read(&text).and_then(|reading| kept.clone().with(reading));
    let part = match reading {
        Err(malformed) => return Ok(Err(Objection::Unusable(vec![Complaint::from(&malformed)], kept))),
        Ok(Reading::Part(part)) => part,
        Ok(Reading::Whole(Answer { intent: Intent::Decline(reason), .. })) => {
            return Ok(Ok(Draft::Declined(reason)));
        }
        Ok(Reading::Whole(Answer { intent: Intent::Ask(questions), .. })) => {
            let asked = at.asks(questions).await?;
            return Ok(asked.map(Draft::Asked).map_err(Objection::unusable));
        }
        Ok(Reading::Whole(Answer { title, why, intent: Intent::Blocks(blocks), forgiven })) => {
            Part { title, why, blocks, refused: Vec::new(), forgiven }
        }
    };
    let applied = match apply(mirror, basis, &part).await? {
        Ok(applied) if part.refused.is_empty() => applied,
        Ok(_) => return Ok(Err(failed(part, &[]))),
        Err(misfits) => return Ok(Err(failed(part, &misfits))),
    };
    if applied.files.is_empty() {
        return Ok(Err(Objection::unusable(Complaint::general("the answer changes nothing"))));
    }
    if is_refused && !applied.forgiven.is_empty() {
        let why = "an earlier release could not read the answer, and asked again";
        return Ok(Err(Objection::unusable(Complaint::general(why))));
    }
    let clashes = mirror.clashes(basis, &edits(&applied.files)).await?;
    if !clashes.is_empty() {
        return Ok(Err(clashing(part, &clashes)));
    }
    at.read_past_slips(&applied.forgiven);
    Ok(Ok(Draft::Written { title: part.title, why: part.why, files: applied.files }))
}

/// Applies the blocks that can be used; else those that do not fit.
async fn apply(
    mirror: &Mirror,
    basis: &Sha,
    part: &Part,
) -> Result<Result<Applied, Vec<BlockFailed>>, Failure> {
    let paths = part.blocks.iter().map(|block| block.path.as_str()).collect();
    let before = context::texts(mirror, basis, paths).await?;
    let answer = Answer {
        title: None,
        why: String::new(),
        intent: Intent::Blocks(part.blocks.clone()),
        forgiven: part.forgiven.clone(),
    };
    Ok(edit::apply(&answer, |path| before.get(path.as_str()).cloned()))
}

/// The objection to the blocks that cannot be read or do not fit; the others are kept.
fn failed(part: Part, misfits: &[BlockFailed]) -> Objection {
    let complaints =
        part.refused.iter().map(Complaint::from).chain(misfits.iter().map(Complaint::from)).collect();
    let refused = part.refused.iter().map(|refused| refused.path.clone());
    let misfitting = misfits.iter().map(|misfit| misfit.path.to_string());
    let failed: Vec<String> = refused.clone().chain(misfitting).collect();
    let again = misfits.iter().filter(|misfit| !misfit.failure.is_needless());
    let missing: Vec<String> = refused.chain(again.map(|misfit| misfit.path.to_string())).collect();
    // Of a block without a path nobody could say whether it came again.
    let kept = match missing.iter().any(String::is_empty) {
        true => Kept::default(),
        false => Kept::of(part, &failed, missing),
    };
    Objection::Unusable(complaints, kept)
}

/// The objection to new paths that would overwrite other ones on some systems; the other blocks are kept.
fn clashing(part: Part, clashes: &[Clash]) -> Objection {
    let complaint = |clash: &Clash| Complaint {
        what: format!("{}; use the existing path, or another name", clash.sentence()),
        path: Some(clash.path.clone()),
        nearest: String::new(),
    };
    let failed: Vec<String> = clashes.iter().map(|clash| clash.path.clone()).collect();
    Objection::Unusable(clashes.iter().map(complaint).collect(), Kept::of(part, &failed, Vec::new()))
}
