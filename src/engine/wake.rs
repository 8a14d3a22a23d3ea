//! How waiting runs wake: by a signal from outside, or by their timer.

use super::{Actor, Engine, Error, advance, advance::lock};
use crate::{
    core::{
        pull::Opened,
        requirement::RepoName,
        run::{Event, State},
    },
    store::{
        self, Connection,
        run::StoredRun,
        signal::{self, Inserted, News},
        timer,
    },
};

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It is stored. It is about so many live runs, and woke those that waited for its topic.
    Stored {
        /// How many live runs it is about.
        runs: usize,
    },
    /// Its delivery was stored before, and nothing was done again.
    Known,
    /// No product and no live run has its repository; it is not stored.
    Foreign,
}

/// What else follows from news.
#[derive(Debug, Clone, Copy)]
pub enum Follows<'a> {
    /// Nothing.
    Nothing,
    /// A pull request is open: one that others opened is judged.
    Judgement(&'a Opened),
    /// The policy of a branch may be another: what is open into it is judged again.
    NewPolicy,
}

impl Engine {
    /// Stores a signal and wakes the runs that it concerns and that wait for its topic, in the same transaction.
    ///
    /// # Errors
    /// When the database does not answer; the sender must then send again.
    pub async fn receive_signal(&self, news: &News) -> Result<Received, Error> {
        self.receive(news, Follows::Nothing).await
    }

    /// The same, with what else follows from the news.
    ///
    /// # Errors
    /// As [`Engine::receive_signal`].
    pub async fn receive(&self, news: &News, follows: Follows<'_>) -> Result<Received, Error> {
        let mut tx = self.pool.begin().await?;
        let runs = match signal::insert(&mut tx, news).await? {
            Inserted::New(runs) => runs,
            Inserted::Known => return Ok(Received::Known),
            Inserted::Foreign => return Ok(Received::Foreign),
        };
        let begun = match follows {
            Follows::Nothing => 0,
            Follows::Judgement(opened) => usize::from(self.judge_in(&mut tx, news, opened).await?),
            Follows::NewPolicy => self.policy_moved_in(&mut tx, news).await?,
        };
        let received = Received::Stored { runs: runs.len() + begun };
        for id in runs {
            let stored = lock(&mut tx, id).await?;
            if matches!(&stored.run.state, State::Waiting { park, .. } if park.topics.contains(&news.topic)) {
                signal::take(&mut tx, id, &[news.topic]).await?;
                self.wake(&mut tx, stored, "webhook", Event::Signalled { topic: news.topic }).await?;
            }
        }
        tx.commit().await?;
        Ok(received)
    }

    /// Gives the repository with this number the name that the forge says it has now, in products and in the runs that
    /// have not ended; the names that it had.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn settle_repository(&self, id: i64, name: &RepoName) -> Result<Vec<String>, Error> {
        let mut tx = self.pool.begin().await?;
        let former = store::repository::settle(&mut tx, id, name).await?;
        tx.commit().await?;
        Ok(former)
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
