//! Webhooks: one after another, signed, each with a few tries; tests may disturb the order.
//!
//! What is still to be delivered is part of the saved state, so a killed twin delivers it later.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::Notify;

use super::{Shared, state::Delivery};

/// Where webhooks go.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The receiver.
    pub url: String,
    /// The key of the signature.
    pub secret: String,
}

const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);

/// The deliveries: what was sent, and what a test wants disturbed.
#[derive(Debug, Default)]
pub struct Webhooks {
    receiver: Mutex<Option<Webhook>>,
    mischief: Mutex<Mischief>,
    sent: Mutex<Vec<Delivery>>,
    pub(crate) news: Notify,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Mischief {
    duplicate: u32,
    drop: u32,
    reorder: usize,
}

impl Webhooks {
    /// Sends each of the next `count` deliveries twice, under the same delivery id.
    pub fn duplicate(&self, count: u32) {
        lock(&self.mischief).duplicate = count;
    }

    /// Loses the next `count` deliveries.
    pub fn drop_next(&self, count: u32) {
        lock(&self.mischief).drop = count;
    }

    /// Holds deliveries back until `count` of them wait, then sends these last to first, once.
    pub fn reorder(&self, count: usize) {
        lock(&self.mischief).reorder = count;
    }

    /// What was delivered and accepted, in order, a duplicate once for each time.
    #[must_use]
    pub fn sent(&self) -> Vec<Delivery> {
        lock(&self.sent).clone()
    }

    pub(crate) fn receiver(&self) -> Option<Webhook> {
        lock(&self.receiver).clone()
    }

    pub(crate) fn set_receiver(&self, receiver: Option<Webhook>) {
        *lock(&self.receiver) = receiver;
    }

    /// Waits until nothing is left to be delivered.
    pub(crate) async fn settled(&self, shared: &Shared) {
        loop {
            let emptied = self.emptied.notified();
            if shared.look(|state| state.outbox.is_empty()) {
                return;
            }
            emptied.await;
        }
    }
}

/// Delivers until the twin stops.
pub(crate) async fn deliver_all(shared: &Shared, client: reqwest::Client) {
    loop {
        let news = shared.webhooks.news.notified();
        let batch = next_batch(shared);
        if batch.is_empty() {
            tokio::select! {
                () = news => {}
                () = shared.stop.cancelled() => return,
            }
        }
        for delivery in batch {
            tokio::select! {
                () = deliver(shared, &client, &delivery) => {}
                () = shared.stop.cancelled() => return,
            }
            let forgotten = shared.change(|state| {
                state.outbox.retain(|waiting| waiting.id != delivery.id);
                Ok(state.outbox.is_empty())
            });
            if forgotten.is_ok_and(|empty| empty) {
                shared.webhooks.emptied.notify_waiters();
            }
        }
    }
}

fn next_batch(shared: &Shared) -> Vec<Delivery> {
    let mut mischief = lock(&shared.webhooks.mischief);
    let waiting: Vec<Delivery> = shared.look(|state| state.outbox.iter().cloned().collect());
    match mischief.reorder {
        0 => waiting.into_iter().take(1).collect(),
        count if waiting.len() < count => Vec::new(),
        count => {
            mischief.reorder = 0;
            waiting.into_iter().take(count).rev().collect()
        }
    }
}

async fn deliver(shared: &Shared, client: &reqwest::Client, delivery: &Delivery) {
    let Some(receiver) = shared.webhooks.receiver() else { return };
    let copies = copies(&mut lock(&shared.webhooks.mischief));
    for _ in 0..copies {
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=TRIES {
            match send(client, &receiver, delivery).await {
                Ok(()) => {
                    lock(&shared.webhooks.sent).push(delivery.clone());
                    break;
                }
                Err(error) if attempt == TRIES => {
                    tracing::warn!(%error, event = %delivery.event, "gave up on webhook {}", delivery.id);
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause *= 2;
        }
    }
}

fn copies(mischief: &mut Mischief) -> u32 {
    if mischief.drop > 0 {
        mischief.drop -= 1;
        return 0;
    }
    if mischief.duplicate > 0 {
        mischief.duplicate -= 1;
        return 2;
    }
    1
}

async fn send(client: &reqwest::Client, receiver: &Webhook, delivery: &Delivery) -> anyhow::Result<()> {
    let body = serde_json::to_vec(&delivery.payload)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(receiver.secret.as_bytes())?;
    mac.update(&body);
    let signature = hex::encode(mac.finalize().into_bytes());
    let request = client
        .post(&receiver.url)
        .timeout(PATIENCE)
        .header("content-type", "application/json")
        .header("user-agent", "GitHub-Hookshot/twin")
        .header("x-github-event", &delivery.event)
        .header("x-github-delivery", delivery.id.to_string())
        .header("x-hub-signature-256", format!("sha256={signature}"));
    request.body(body).send().await?.error_for_status()?;
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
