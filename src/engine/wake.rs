//! How waiting runs wake: by a signal from outside, or by their timer.

use super::{Actor, Engine, Error, advance, advance::lock};
use crate::{
    core::run::{Event, State},
    store::{
        Connection,
        run::StoredRun,
        signal::{self, News},
        timer,
    },
};

impl Engine {
    /// Stores a signal and wakes the runs that it concerns and that wait for its topic, in the same transaction. False for a
    /// delivery that was stored before.
    ///
    /// # Errors
    /// When the database does not answer; the sender must then send again.
    pub async fn receive_signal(&self, news: &News) -> Result<bool, Error> {
        let mut tx = self.pool.begin().await?;
        let Some(runs) = signal::insert(&mut tx, news).await? else { return Ok(false) };
        for id in runs {
            let stored = lock(&mut tx, id).await?;
            if matches!(&stored.run.state, State::Waiting { park, .. } if park.topics.contains(&news.topic)) {
                signal::take(&mut tx, id, &[news.topic]).await?;
                self.wake(&mut tx, stored, "webhook", Event::Signalled { topic: news.topic }).await?;
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Wakes the runs whose timers are due, at most `limit`, and returns how many.
    ///
    /// # Errors
    /// When the database does not answer; runs that were woken before stay woken.
    pub async fn wake_due(&self, limit: i64) -> Result<usize, Error> {
        let mut woken = 0;
        for id in timer::due(&self.pool, limit).await? {
            let mut tx = self.pool.begin().await?;
            let stored = lock(&mut tx, id).await?;
            // Checked again under the run's lock: another worker may have woken it meanwhile.
            if !timer::is_due(&mut tx, id).await? {
                continue;
            }
            self.wake(&mut tx, stored, "clock", Event::Woken).await?;
            tx.commit().await?;
            woken += 1;
        }
        Ok(woken)
    }

    /// Ends a run's wait. A run whose workflow this release cannot follow ends as blocked, because an error
    /// here would keep all runs behind it waiting.
    pub(super) async fn wake(
        &self,
        tx: &mut Connection,
        stored: StoredRun,
        actor: &str,
        event: Event,
    ) -> Result<(), Error> {
        match self.workflow(&stored.spec.workflow_hash).await {
            Ok(workflow) => self.advance(tx, stored, &workflow, Actor::Other(actor), vec![event]).await,
            Err(error @ Error::Workflow { .. }) => {
                advance::block_unsupported(tx, &stored, actor, &error.to_string()).await
            }
            Err(error) => Err(error),
        }
    }
}
