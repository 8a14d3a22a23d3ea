//! Redriving dead letters, each at most once.

use super::{Control, Engine, Error, Verb};
use crate::{
    core::reason::Reason,
    store::{audit::Author, dead_letter},
};

impl Engine {
    /// Retries the run of a dead letter at the step that failed. A letter is redriven at most once.
    ///
    /// # Errors
    /// [`Error::NoLetter`]; otherwise as [`Engine::control`].
    pub async fn redrive(
        &self,
        letter: i64,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Control, Error> {
        let mut tx = self.pool().begin().await?;
        let found = dead_letter::get(&mut tx, letter).await?.ok_or(Error::NoLetter(letter))?;
        if found.redriven {
            return Ok(Control::Unchanged);
        }
        // Of two at once, the second waits here for the run's lock, finds the run active, and changes nothing.
        let done = self.control_in(&mut tx, found.run_id, &Verb::Retry(None), by, reason).await?;
        tx.commit().await?;
        Ok(done)
    }
}
