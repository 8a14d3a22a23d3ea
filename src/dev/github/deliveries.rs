//! Sends webhooks, one after another: each once, and never again by itself. docs.github.com "Handling failed webhook
//! deliveries".
//!
//! The queue is part of the saved state, so a twin that was killed sends the rest after its restart.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use aws_lc_rs::hmac;
use http::HeaderMap;
use reqwest::Response;

use super::{
    accounts::user_id,
    delivery_log::{About, Attempt, Record},
    host::Host,
    refusal::Refusal,
    state::{HookOwner, Outgoing},
    webhooks::{ContentType, Webhook},
};

/// How long GitHub waits for an answer. docs.github.com "Best practices for using webhooks".
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of a payload; GitHub does not send a larger one. docs.github.com "Webhook events and payloads".
const LARGEST_PAYLOAD: usize = 25 << 20;
/// The release of the sender that the twin stands for; GitHub's changes.
const USER_AGENT: &str = "GitHub-Hookshot/b8c71d8";

/// What was answered to a delivery.
struct Answer {
    code: u16,
    status: String,
    headers: BTreeMap<String, String>,
    payload: String,
}

/// Delivers until the twin stops.
pub(crate) async fn run(host: &Host, client: reqwest::Client) {
    loop {
        // Registered before the queue is read, so that nothing queued in between is missed.
        let queued = host.webhooks.queued.notified();
        let batch = host.with_state(|state| host.webhooks.next_batch(&state.outgoing));
        if batch.is_empty() {
            tokio::select! {
                () = queued => {}
                () = host.stop.cancelled() => return,
            }
        }
        for outgoing in batch {
            tokio::select! {
                () = deliver(host, &client, &outgoing) => {}
                () = host.stop.cancelled() => return,
            }
            remove(host, &outgoing);
        }
    }
}

/// Waits until the queue is empty.
pub(crate) async fn settled(host: &Host) {
    loop {
        let emptied = host.webhooks.emptied.notified();
        if host.with_state(|state| state.outgoing.is_empty()) {
            return;
        }
        emptied.await;
    }
}

/// Queues what an earlier attempt of an App's webhook sent once more, under the same GUID.
pub(crate) fn redeliver(host: &Host, app: i64, id: i64) -> Result<(), Refusal> {
    let found = host.deliveries.find(id, host.clock.now())?.ok_or_else(Refusal::not_found)?;
    if found.attempt.owner != HookOwner::App(app) {
        return Err(Refusal::not_found());
    }
    let owner = found.attempt.owner;
    Ok(host.queue(found.delivery(), owner, true)?)
}

fn remove(host: &Host, outgoing: &Outgoing) {
    let emptied = host.change(|state| {
        state.outgoing.retain(|waiting| waiting.id != outgoing.id);
        Ok(state.outgoing.is_empty())
    });
    if emptied.is_ok_and(|empty| empty) {
        host.webhooks.emptied.notify_waiters();
    }
}

async fn deliver(host: &Host, client: &reqwest::Client, outgoing: &Outgoing) {
    let Some(receiver) = host.webhooks.receiver() else { return };
    let body = body(outgoing, host.webhooks.content_type());
    if body.len() > LARGEST_PAYLOAD {
        tracing::warn!(event = %outgoing.delivery.event, "a webhook of {} bytes is not sent", body.len());
        return;
    }
    let headers = headers(outgoing, &receiver, host.webhooks.content_type(), &body);
    let (at, began) = (host.clock.now(), Instant::now());
    let mut answer = Answer::none("failed to connect to host", 502);
    for _ in 0..host.webhooks.copies() {
        answer = send(client, &receiver, &headers, body.clone()).await;
        if (200..300).contains(&answer.code) {
            host.webhooks.accepted(outgoing.delivery.clone());
        }
    }
    host.deliveries.add(Record {
        attempt: Attempt {
            id: outgoing.id,
            guid: outgoing.delivery.id,
            at,
            is_redelivery: outgoing.is_redelivery,
            duration: began.elapsed().as_secs_f64(),
            status: answer.status,
            status_code: answer.code,
            event: outgoing.delivery.event.clone(),
            owner: outgoing.owner,
            url: receiver.url,
        },
        about: About::of(&outgoing.delivery.payload),
        request_headers: headers,
        payload: outgoing.delivery.payload.clone(),
        response_headers: answer.headers,
        response_payload: answer.payload,
    });
}

fn body(outgoing: &Outgoing, content_type: ContentType) -> Vec<u8> {
    let json = outgoing.delivery.payload.to_string();
    match content_type {
        ContentType::Json => json.into_bytes(),
        ContentType::Form => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.append_pair("payload", &json).finish().into_bytes()
        }
    }
}

/// docs.github.com "Webhook events and payloads", delivery headers.
fn headers(
    outgoing: &Outgoing,
    receiver: &Webhook,
    content_type: ContentType,
    body: &[u8],
) -> BTreeMap<String, String> {
    let (kind, target) = match outgoing.owner {
        HookOwner::App(id) => ("integration", id),
        HookOwner::Repository(id) => ("repository", id),
    };
    let content_type = match content_type {
        ContentType::Json => "application/json",
        ContentType::Form => "application/x-www-form-urlencoded",
    };
    let sign = |algorithm| {
        let key = hmac::Key::new(algorithm, receiver.secret.as_bytes());
        hex::encode(hmac::sign(&key, body))
    };
    let headers = [
        ("Accept", "*/*".to_owned()),
        ("content-type", content_type.to_owned()),
        ("User-Agent", USER_AGENT.to_owned()),
        ("X-GitHub-Delivery", outgoing.delivery.id.to_string()),
        ("X-GitHub-Event", outgoing.delivery.event.clone()),
        ("X-GitHub-Hook-ID", user_id(&format!("the webhook of {kind} {target}")).to_string()),
        ("X-GitHub-Hook-Installation-Target-ID", target.to_string()),
        ("X-GitHub-Hook-Installation-Target-Type", kind.to_owned()),
        ("X-Hub-Signature", format!("sha1={}", sign(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY))),
        ("X-Hub-Signature-256", format!("sha256={}", sign(hmac::HMAC_SHA256))),
    ];
    headers.map(|(name, value)| (name.to_owned(), value)).into()
}

async fn send(
    client: &reqwest::Client,
    receiver: &Webhook,
    headers: &BTreeMap<String, String>,
    body: Vec<u8>,
) -> Answer {
    let mut request = client.post(&receiver.url).timeout(TIMEOUT);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answered = async { Answer::read(request.body(body).send().await?).await };
    match answered.await {
        Ok(answer) => answer,
        // The words and the number are seen in the lists of others; those of a timeout are unverified.
        Err(error) if error.is_timeout() => Answer::none("timed out", 504),
        Err(_) => Answer::none("failed to connect to host", 502),
    }
}

impl Answer {
    async fn read(response: Response) -> reqwest::Result<Self> {
        let status = response.status();
        let reason = status.canonical_reason().unwrap_or_default().to_owned();
        let is_fine = status.is_success();
        let headers = shown(response.headers());
        let payload = response.text().await?;
        // docs.github.com "Handling failed webhook deliveries": the status of a success is OK.
        let words = if is_fine { "OK".to_owned() } else { reason };
        Ok(Self { code: status.as_u16(), status: words, headers, payload })
    }

    fn none(status: &str, code: u16) -> Self {
        Self { code, status: status.to_owned(), headers: BTreeMap::new(), payload: String::new() }
    }
}

fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    let shown =
        headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    shown.collect()
}
