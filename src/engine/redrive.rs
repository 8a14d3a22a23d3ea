//! Dead letters get another chance, each once.

use super::{Control, Engine, Error, Verb};
use crate::{core::reason::Reason, store::dead_letter};

impl Engine {
    /// Lets the run of a dead letter begin again at the step that died; once per letter.
    ///
    /// # Errors
    /// [`Error::NoLetter`]; otherwise as [`Engine::control`].
    pub async fn redrive(&self, letter: i64, actor: &str, reason: &Reason) -> Result<Control, Error> {
        let mut tx = self.pool().begin().await?;
        let found = dead_letter::get(&mut tx, letter).await?.ok_or(Error::NoLetter(letter))?;
        if found.redriven {
            return Ok(Control::Unchanged);
        }
        // Two at once: the second waits for the run here and finds it alive, which a retry is content with.
        let done = self.control_in(&mut tx, found.run_id, &Verb::Retry(None), actor, reason).await?;
        tx.commit().await?;
        Ok(done)
    }
}
