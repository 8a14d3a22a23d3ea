//! Heals lost webhooks: asks GitHub, as its App, to deliver again what it could not deliver. GitHub never does that by
//! itself. docs.github.com "Handling failed webhook deliveries".
//!
//! Nothing depends on it: every waiting run polls the forge, which is all that there is with a token. It saves what is
//! left of the pause until the next poll.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::{
    core::redelivery::{Attempt, sort, wait_after},
    github::{Delivery, Forge, Kind},
    store::{
        Pool,
        lost_delivery::{self, Lost},
    },
};

/// How often GitHub's list is read, whatever the number of workers: about as long as a webhook may be missed, while one
/// call of the App an interval costs nothing of what the calls of runs are limited by.
const PERIOD: Duration = Duration::from_secs(300);
/// How often a worker checks whether a reading is due.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// How long a reading with its requests may take, so that it has ended before the next one is due.
const TIMEOUT: Duration = Duration::from_secs(240);
/// How far readings overlap: a delivery is listed when it has ended, GitHub waits up to 30 s for an answer, and its clock is
/// not ours.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// How far the first reading goes back. GitHub keeps deliveries for three days.
const LONGEST_READING: TimeDelta = TimeDelta::days(3);
/// The most requests after one reading. GitHub limits writes to 80 a minute.
const REQUESTS: i64 = 50;

/// Asks for lost webhooks again.
pub struct Reconciler {
    pool: Pool,
    forge: Arc<Forge>,
}

impl Reconciler {
    /// With this database and forge.
    #[must_use]
    pub const fn new(pool: Pool, forge: Arc<Forge>) -> Self {
        Self { pool, forge }
    }

    /// Reads whenever a reading is due, until `stop`. With a token there is nothing to read.
    pub async fn run(self, stop: CancellationToken) {
        while self.forge.lists_deliveries() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(CHECK_INTERVAL) => {}
            }
            match tokio::time::timeout(TIMEOUT, self.read_if_due()).await {
                Ok(Ok(None | Some(0))) => {}
                Ok(Ok(Some(asked))) => tracing::info!(asked, "asked GitHub for webhooks that were lost"),
                Ok(Err(error)) => tracing::warn!("could not ask GitHub for lost webhooks: {error:?}"),
                Err(_) => tracing::warn!("asking GitHub for lost webhooks took longer than {TIMEOUT:?}"),
            }
        }
    }

    /// Reads the deliveries since the last reading, and asks for those that were lost; how many. `None` when none is due,
    /// or another worker makes it.
    ///
    /// # Errors
    /// When the database or GitHub does not answer. What was asked for stays recorded; the next reading goes on.
    pub async fn read_if_due(&self) -> Result<Option<usize>, Failure> {
        let Some(reading) = lost_delivery::claim_reading(&self.pool, PERIOD).await? else { return Ok(None) };
        let oldest = reading.began_at - LONGEST_READING;
        let since = reading.last.map_or(oldest, |last| (last - OVERLAP).max(oldest));
        let deliveries = self.forge.deliveries_since(since).await?;
        let attempts: Vec<Attempt> = deliveries.into_iter().map(attempt).collect();
        lost_delivery::record_reading(&self.pool, &reading, &sort(&attempts)).await?;
        let mut asked = 0;
        for lost in lost_delivery::due(&self.pool, REQUESTS).await? {
            asked += usize::from(self.ask_for(&lost).await?);
        }
        Ok(Some(asked))
    }

    /// Whether GitHub still has the delivery and makes it again.
    async fn ask_for(&self, lost: &Lost) -> Result<bool, Failure> {
        match self.forge.redeliver(lost.attempt.unsigned_abs()).await {
            Ok(()) => {
                let requests = lost.asked.unsigned_abs() + 1;
                lost_delivery::asked(&self.pool, lost, wait_after(requests)).await?;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Validation | Kind::Gone) => {
                tracing::debug!(guid = %lost.guid, "GitHub no longer has a webhook that was lost: {error}");
                lost_delivery::give_up(&self.pool, lost).await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn attempt(delivery: Delivery) -> Attempt {
    Attempt { number: delivery.id, guid: delivery.guid, status: delivery.status_code }
}
