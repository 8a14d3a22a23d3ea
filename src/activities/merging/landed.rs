//! Done means landed: the run has succeeded once the base holds the change, not when the forge says so.

use super::super::{Failure, Reply, attempt::Attempt, attempt::answer_with, ledger::Merged};
use crate::core::{run::Progress, workflow::Outcome};

/// The answer of a merge to which the forge has said yes.
#[expect(clippy::unused_async, reason = "the base is looked at here")]
pub(in super::super) async fn landed(_: &Attempt<'_>, merged: Merged) -> Result<Reply, Failure> {
    let note = format!("merged as {}", merged.sha.short());
    Ok(answer_with(Outcome::Merged, note, Progress { merged: Some(merged.sha), ..Progress::default() }))
}
