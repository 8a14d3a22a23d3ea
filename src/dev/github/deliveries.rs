//! Delivers webhooks one after another, signed, each with a few attempts.
//!
//! The queue is part of the saved state, so a twin that was killed delivers the rest after its restart.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{host::Host, state::Delivery, webhooks::Webhook};

const ATTEMPTS: u32 = 4;
/// The pause after the first attempt; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Delivers until the twin stops.
pub(crate) async fn run(host: &Host, client: reqwest::Client) {
    loop {
        // Registered before the queue is read, so that nothing queued in between is missed.
        let queued = host.webhooks.queued.notified();
        let batch = host.with_state(|state| host.webhooks.next_batch(&state.outbox));
        if batch.is_empty() {
            tokio::select! {
                () = queued => {}
                () = host.stop.cancelled() => return,
            }
        }
        for delivery in batch {
            tokio::select! {
                () = deliver(host, &client, &delivery) => {}
                () = host.stop.cancelled() => return,
            }
            remove(host, &delivery);
        }
    }
}

/// Waits until the queue is empty.
pub(crate) async fn settled(host: &Host) {
    loop {
        let emptied = host.webhooks.emptied.notified();
        if host.with_state(|state| state.outbox.is_empty()) {
            return;
        }
        emptied.await;
    }
}

fn remove(host: &Host, delivery: &Delivery) {
    let emptied = host.change(|state| {
        state.outbox.retain(|waiting| waiting.id != delivery.id);
        Ok(state.outbox.is_empty())
    });
    if emptied.is_ok_and(|empty| empty) {
        host.webhooks.emptied.notify_waiters();
    }
}

async fn deliver(host: &Host, client: &reqwest::Client, delivery: &Delivery) {
    let Some(receiver) = host.webhooks.receiver() else { return };
    for _ in 0..host.webhooks.copies() {
        match send_with_retries(client, &receiver, delivery).await {
            Ok(()) => host.webhooks.accepted(delivery.clone()),
            Err(error) => {
                tracing::warn!(%error, event = %delivery.event, "gave up on webhook {}", delivery.id);
            }
        }
    }
}

async fn send_with_retries(
    client: &reqwest::Client,
    receiver: &Webhook,
    delivery: &Delivery,
) -> anyhow::Result<()> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        if send(client, receiver, delivery).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    send(client, receiver, delivery).await
}

async fn send(client: &reqwest::Client, receiver: &Webhook, delivery: &Delivery) -> anyhow::Result<()> {
    let body = serde_json::to_vec(&delivery.payload)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(receiver.secret.as_bytes())?;
    mac.update(&body);
    let signature = hex::encode(mac.finalize().into_bytes());
    let request = client
        .post(&receiver.url)
        .timeout(TIMEOUT)
        .header("content-type", "application/json")
        .header("user-agent", "GitHub-Hookshot/twin")
        .header("x-github-event", &delivery.event)
        .header("x-github-delivery", delivery.id.to_string())
        .header("x-hub-signature-256", format!("sha256={signature}"));
    request.body(body).send().await?.error_for_status()?;
    Ok(())
}
