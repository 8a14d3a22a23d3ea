//! The notes of a product's people, which models that write or fix its changes are shown as data.

use super::{Failure, attempt::Attempt};
use crate::{
    core::words::counted,
    llm::Said,
    store::{effect, retro::proposal},
};

impl Attempt<'_> {
    /// What people said about the requirement, and what they note of the product. Every attempt at a visit of a step is shown
    /// the notes of its first call, so that what an answer was given to does not change; the note of the step's answer
    /// says how many these were.
    pub(super) async fn said_and_noted(&self) -> Result<Said, Failure> {
        let (pool, key) = (&self.factory.pool, self.call_key(1).await?);
        let asked_at = effect::intended_at(pool, self.lease.run, &key).await?;
        let notes = proposal::notes(pool, &self.brief.products, asked_at).await?;
        if !notes.is_empty() {
            let ids: Vec<String> = notes.iter().map(|note| note.id.to_string()).collect();
            let remark = format!(
                "shown {} of the product's people ({})",
                counted(notes.len(), "note"),
                ids.join(", ")
            );
            self.noted.get_or_init(|| remark);
        }
        let notes = notes.into_iter().map(|note| note.text).collect();
        Ok(Said { notes, ..self.said().await? })
    }
}
