//! Notifies people: derives the notices of runs that moved, and delivers what is owed, a few at a time.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinSet};

use crate::{
    engine::Engine,
    notify::{Failure, Message, Sender, Target},
    queue::Shared,
    store::{
        self, Pool,
        delivery::{self, Claimed, Failed},
    },
};

/// The most messages that are on their way at once; to one target it is one.
const AT_ONCE: usize = 8;
/// The first wait after a failure; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait after a failure.
const LONGEST_WAIT: Duration = Duration::from_secs(1800);
/// The longest time for which a failure keeps other messages from a target.
const LONGEST_QUIET: Duration = Duration::from_secs(60);
/// For how long a message is tried, in seconds: what is a day late is no news.
const LONGEST_S: f64 = 24.0 * 3600.0;

/// Notifies whenever the poller has seen that something is due, until the worker stops.
pub(super) async fn run(engine: Engine, shared: Shared, sender: Sender, due: Arc<Notify>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = due.notified() => {}
        }
        if let Err(error) = all_due(&engine, &shared, &sender).await {
            tracing::debug!(%error, "could not look for messages to people: {error}");
        }
    }
}

async fn all_due(engine: &Engine, shared: &Shared, sender: &Sender) -> Result<(), crate::engine::Error> {
    while !shared.stop.is_cancelled() && engine.notify_due().await? {}
    let mut under_way = JoinSet::new();
    loop {
        let claimed = match under_way.len() < AT_ONCE && !shared.stop.is_cancelled() {
            true => delivery::claim(&shared.pool).await?,
            false => None,
        };
        if let Some(claimed) = claimed {
            let (pool, sender) = (shared.pool.clone(), sender.clone());
            under_way.spawn(async move { deliver(&pool, &sender, &claimed).await });
        } else if let Some(ended) = under_way.join_next().await {
            if let Ok(Err(error)) = ended {
                tracing::debug!(%error, "what became of a message was not recorded: {error}");
            }
        } else {
            return Ok(());
        }
    }
}

/// Makes one attempt at a delivery and records how it ended.
async fn deliver(pool: &Pool, sender: &Sender, claimed: &Claimed) -> store::Result<()> {
    let target = Target::read(&claimed.target, &claimed.address, claimed.secret.as_deref());
    let message = Message { id: claimed.id, now: claimed.now, content: &claimed.content.0 };
    let sent = match &target {
        Ok(target) => sender.send(target, &message).await,
        Err(unusable) => Err(unusable.clone()),
    };
    let (id, subscription) = (claimed.id, claimed.subscription);
    match sent {
        Ok(status) => delivery::delivered(pool, claimed, status).await,
        Err(Failure::Retry { error, status, after }) if claimed.age_s < LONGEST_S => {
            let wait = after.unwrap_or_else(|| backoff(claimed.attempts));
            let quiet = after.unwrap_or_else(|| wait.min(LONGEST_QUIET));
            tracing::info!(%id, %subscription, "a message was not delivered and is tried again: {error}");
            delivery::postpone(pool, claimed, (wait, quiet), &Failed { error: &error, status }).await
        }
        Err(Failure::Gone { error, status }) => {
            tracing::warn!(%id, %subscription, "a subscription's target is gone: {error}");
            delivery::give_up(pool, claimed, &Failed { error: &error, status }, true).await
        }
        Err(Failure::Retry { error, status, .. } | Failure::Final { error, status }) => {
            tracing::warn!(%id, %subscription, "a message is given up: {error}");
            delivery::give_up(pool, claimed, &Failed { error: &error, status }, false).await
        }
    }
}

/// How long to wait after so many attempts.
fn backoff(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts - 1).unwrap_or_default().min(16);
    (FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_half_an_hour() {
        let check =
            |attempts: i32, seconds: u64| assert_eq!(backoff(attempts).as_secs(), seconds, "{attempts}");
        check(0, 5);
        check(1, 5);
        check(2, 10);
        check(9, 1280);
        check(10, 1800);
        check(i32::MAX, 1800);
    }
}
