//! Where webhooks go, what was delivered, and the delivery faults that a test asks for.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;
use tokio::sync::Notify;

use super::state::{Delivery, Outgoing};

/// Where webhooks go.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The receiver.
    pub url: String,
    /// The key of the signature.
    pub secret: String,
}

/// How the payload is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    /// As the body: `application/json`.
    #[default]
    Json,
    /// As the form field `payload`: `application/x-www-form-urlencoded`.
    Form,
}

/// The webhooks: their receiver, the deliveries so far, and faults on demand.
#[derive(Debug, Default)]
pub struct Webhooks {
    receiver: Mutex<Option<Webhook>>,
    content_type: Mutex<ContentType>,
    faults: Mutex<DeliveryFaults>,
    sent: Mutex<Vec<Delivery>>,
    /// Notified when a delivery is queued or the receiver changes.
    pub(crate) queued: Notify,
    /// Notified when the queue is empty.
    pub(crate) emptied: Notify,
}

/// How many of the next deliveries are duplicated, dropped or reordered.
#[derive(Debug, Default)]
struct DeliveryFaults {
    duplicate: u32,
    drop: u32,
    reorder: usize,
}

impl Webhooks {
    /// Sends each of the next `count` deliveries twice, under the same delivery id.
    pub fn duplicate(&self, count: u32) {
        lock(&self.faults).duplicate = count;
    }

    /// Loses the next `count` deliveries: GitHub records that nothing answered.
    pub fn drop_next(&self, count: u32) {
        lock(&self.faults).drop = count;
    }

    /// Holds deliveries back until `count` are queued, then sends them last to first, once.
    pub fn reorder(&self, count: usize) {
        lock(&self.faults).reorder = count;
    }

    /// The deliveries that the receiver accepted, in order; a duplicate is listed once for each time.
    #[must_use]
    pub fn sent(&self) -> Vec<Delivery> {
        lock(&self.sent).clone()
    }

    pub(crate) fn receiver(&self) -> Option<Webhook> {
        lock(&self.receiver).clone()
    }

    pub(crate) fn set_receiver(&self, receiver: Option<Webhook>) {
        *lock(&self.receiver) = receiver;
        self.queued.notify_one();
    }

    /// Sends the payloads like this from now on; as JSON by default.
    pub fn send_as(&self, content_type: ContentType) {
        *lock(&self.content_type) = content_type;
    }

    pub(crate) fn content_type(&self) -> ContentType {
        *lock(&self.content_type)
    }

    pub(crate) fn accepted(&self, delivery: Delivery) {
        lock(&self.sent).push(delivery);
    }

    /// The deliveries to make now, in this order; none while a reordering waits for more.
    pub(crate) fn next_batch(&self, outgoing: &VecDeque<Outgoing>) -> Vec<Outgoing> {
        let mut faults = lock(&self.faults);
        match faults.reorder {
            0 => outgoing.iter().take(1).cloned().collect(),
            count if outgoing.len() < count => Vec::new(),
            count => {
                faults.reorder = 0;
                let batch: Vec<Outgoing> = outgoing.iter().take(count).cloned().collect();
                batch.into_iter().rev().collect()
            }
        }
    }

    /// How often the next delivery is sent: once, or as the faults say.
    pub(crate) fn copies(&self) -> u32 {
        let mut faults = lock(&self.faults);
        if faults.drop > 0 {
            faults.drop -= 1;
            return 0;
        }
        if faults.duplicate > 0 {
            faults.duplicate -= 1;
            return 2;
        }
        1
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
