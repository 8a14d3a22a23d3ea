//! What is owed is delivered by workers, to real listeners, until it arrives or is a dead letter.

use aspora::{
    core::{
        access::Role,
        notice::Content,
        workflow::{Outcome, Queue},
    },
    notify::{Config, Failure, Message, Sender, SigningSecret, Smtp, Target},
    store::{
        audit::Author,
        delivery,
        subscription::{self, New, Row},
    },
};
use chrono::DateTime;
use serde_json::Value;
use uuid::Uuid;

use super::{
    derive::{derive, person},
    harness::{Worker, config, happy_reply, only_first_step, work},
    receiver::{Behaviour, Receiver},
    smtp::MailServer,
    support::{TestEngine, answer, eventually},
};

/// The secret that the specification's own tests use.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Who acts on behalf of a test.
const ADA: Author<'static> = Author { person: "ada", key: None, request: None };

fn sender(allows_private: bool, smtp: Option<&MailServer>) -> Sender {
    let smtp = smtp.map(|server| Smtp {
        url: server.url.clone().into(),
        from: "Aspora <aspora@acme.example>".to_owned(),
    });
    let (public_url, forge_url) = ("https://aspora.test".to_owned(), "https://forge.test".to_owned());
    Sender::new(Config { public_url, forge_url, allows_private, smtp }).unwrap()
}

/// A worker that notifies and does no jobs of its own.
async fn notifier(test: &TestEngine, sender: Sender) -> Worker {
    let config = aspora::worker::Config { sender: Some(sender), ..only_first_step(config("w1"), 0) };
    work(&test.engine, config, |task| async move { Ok(happy_reply(&task)) }).await
}

async fn subscribe(test: &TestEngine, target: &str, address: &str) -> Uuid {
    let secret = SigningSecret::parse(SECRET).unwrap();
    let new = New {
        id: Uuid::now_v7(),
        owner: "eve",
        personal: false,
        target,
        address,
        shown: "http://receiver/…",
        secret: Some(secret.as_bytes()).filter(|_| target == "webhook"),
        products: None,
        kinds: None,
    };
    subscription::insert(&mut test.pool().acquire().await.unwrap(), &new).await.unwrap();
    new.id
}

/// An engine with a subscription and a run that has ended, so that one message is owed.
async fn owed(target: &str, address: &str) -> (TestEngine, Uuid) {
    let test = TestEngine::new().await;
    person(&test, "eve", Role::Engineer, None).await;
    let id = subscribe(&test, target, address).await;
    test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "host/1", answer(Outcome::Declined)).await.unwrap();
    derive(&test).await;
    (test, id)
}

async fn row(test: &TestEngine, id: Uuid) -> delivery::Row {
    delivery::list(test.pool(), id, None, None, 10).await.unwrap().remove(0)
}

async fn reaches(test: &TestEngine, id: Uuid, state: &str) -> delivery::Row {
    eventually(state, async || row(test, id).await.state == state).await;
    row(test, id).await
}

/// Makes what failed due again.
async fn now(test: &TestEngine) {
    test.execute("update delivery set due_at = now() where state = 'due'").await;
    test.execute("update subscription set quiet_until = null").await;
}

async fn failed(test: &TestEngine, id: Uuid, attempts: i32) -> delivery::Row {
    eventually("it failed", async || {
        let row = row(test, id).await;
        row.attempts == attempts && row.error.is_some()
    })
    .await;
    row(test, id).await
}

async fn stored(test: &TestEngine, id: Uuid) -> Row {
    subscription::get(test.pool(), id).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_signed_and_keeps_its_id_until_it_arrives() {
    let receiver = Receiver::start(&[Behaviour::Status(500), Behaviour::Status(204)]).await;
    let (test, id) = owed("webhook", &receiver.url).await;
    let worker = notifier(&test, sender(true, None)).await;
    let failure = failed(&test, id, 1).await;
    assert_eq!((failure.state.as_str(), failure.status), ("due", Some(500)));
    let error = failure.error.unwrap();
    assert_eq!(error, "answered 500 Internal Server Error: as the test says", "in one line");
    assert!(failure.due_at > failure.owed_at);
    now(&test).await;
    assert_eq!(reaches(&test, id, "delivered").await.attempts, 2);
    worker.stop().await;
    let arrived = receiver.arrived();
    assert_eq!(arrived.len(), 2);
    assert_eq!(arrived[0].header("webhook-id"), arrived[1].header("webhook-id"));
    assert_eq!(arrived[0].body, arrived[1].body);
    for one in &arrived {
        let timestamp = one.header("webhook-timestamp").parse().unwrap();
        let secret = SigningSecret::parse(SECRET).unwrap();
        let signature = secret.sign(&one.header("webhook-id"), timestamp, &one.body);
        assert_eq!(one.header("webhook-signature"), signature);
    }
    let body: Value = serde_json::from_slice(&arrived[1].body).unwrap();
    assert_eq!(body["type"], "run.failed");
    assert_eq!(body["data"]["title"], "Add a risk checker");
    assert_eq!(body["data"]["why"], "It cannot be done: declined");
    let run = body["data"]["run_id"].as_str().unwrap();
    assert_eq!(body["data"]["url"], format!("https://aspora.test/runs/{run}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_a_dead_letter_that_can_be_replayed() {
    for behaviour in [Behaviour::Status(404), Behaviour::Redirect] {
        let receiver = Receiver::start(&[behaviour, Behaviour::Status(200)]).await;
        let (test, id) = owed("webhook", &receiver.url).await;
        let worker = notifier(&test, sender(true, None)).await;
        let dead = reaches(&test, id, "dead").await;
        assert_eq!((dead.attempts, receiver.arrived().len()), (1, 1), "no redirect is followed");
        let subscription = stored(&test, id).await;
        assert_eq!((subscription.dead, subscription.gone_at), (1, None));
        let replayed = test.engine.replay_deliveries(&subscription, None, ADA).await.unwrap();
        assert_eq!(replayed, 1);
        reaches(&test, id, "delivered").await;
        worker.stop().await;
        let arrived = receiver.arrived();
        assert_eq!(arrived[0].header("webhook-id"), arrived[1].header("webhook-id"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_gone_gets_nothing_more_until_it_is_tried_again() {
    let receiver = Receiver::start(&[Behaviour::Status(410), Behaviour::Status(200)]).await;
    let (test, id) = owed("webhook", &receiver.url).await;
    let worker = notifier(&test, sender(true, None)).await;
    reaches(&test, id, "dead").await;
    assert!(stored(&test, id).await.gone_at.is_some());
    test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "host/1", answer(Outcome::Declined)).await.unwrap();
    eventually("derived", async || test.query::<i64>("select count(*) from notice_due").await == 0).await;
    assert_eq!(test.query::<i64>("select count(*) from delivery").await, 1);
    let subscription = stored(&test, id).await;
    let mut connection = test.pool().acquire().await.unwrap();
    test.engine.try_subscription_in(&mut connection, &subscription, ADA).await.unwrap();
    assert_eq!(reaches(&test, id, "delivered").await.content.0.headline(), "Test: Notifications arrive here");
    worker.stop().await;
    assert_eq!(stored(&test, id).await.gone_at, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_asks_for_patience_gets_it_for_all_its_messages() {
    let receiver = Receiver::start(&[Behaviour::RetryAfter(429, 3600), Behaviour::Status(200)]).await;
    let (test, id) = owed("webhook", &receiver.url).await;
    let worker = notifier(&test, sender(true, None)).await;
    let failure = failed(&test, id, 1).await;
    let wait = (failure.due_at - failure.owed_at).num_seconds();
    assert!((3_590..=3_700).contains(&wait), "{wait}");
    let quiet = "select quiet_until > now() + interval '59 minutes' from subscription";
    assert!(test.query::<bool>(quiet).await);
    now(&test).await;
    reaches(&test, id, "delivered").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_owed_for_a_day_is_a_dead_letter() {
    let receiver = Receiver::start(&[Behaviour::Status(503)]).await;
    let (test, id) = owed("webhook", &receiver.url).await;
    test.execute("update delivery set owed_at = owed_at - interval '25 hours'").await;
    let worker = notifier(&test, sender(true, None)).await;
    assert_eq!(reaches(&test, id, "dead").await.status, Some(503));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_answer_keeps_no_other_from_being_notified() {
    let (silent, quick) =
        (Receiver::start(&[Behaviour::Silence]).await, Receiver::start(&[Behaviour::Status(200)]).await);
    let (test, _) = owed("webhook", &silent.url).await;
    let worker = notifier(&test, sender(true, None)).await;
    eventually("the first is on its way", async || silent.arrived().len() == 1).await;
    let other = subscribe(&test, "webhook", &quick.url).await;
    test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "host/1", answer(Outcome::Declined)).await.unwrap();
    reaches_any(&test, other).await;
    assert_eq!(silent.arrived().len(), 1, "one message at a time");
    worker.stop().await;
}

async fn reaches_any(test: &TestEngine, id: Uuid) {
    eventually("delivered", async || {
        let rows = delivery::list(test.pool(), id, Some("delivered"), None, 10).await.unwrap();
        !rows.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_after_the_call_makes_it_again_with_the_same_id() {
    let receiver = Receiver::start(&[Behaviour::Status(200)]).await;
    let (test, id) = owed("webhook", &receiver.url).await;
    let claimed = delivery::claim(test.pool()).await.unwrap().unwrap();
    let target = Target::read(&claimed.target, &claimed.address, claimed.secret.as_deref()).unwrap();
    let message = Message { id: claimed.id, now: claimed.now, content: &claimed.content.0 };
    sender(true, None).send(&target, &message).await.unwrap();
    // It is gone before it recorded that.
    assert_eq!(delivery::claim(test.pool()).await.unwrap(), None, "the claim lasts");
    test.execute("update subscription set busy_until = now()").await;
    now(&test).await;
    let worker = notifier(&test, sender(true, None)).await;
    reaches(&test, id, "delivered").await;
    worker.stop().await;
    let ids: Vec<String> = receiver.arrived().iter().map(|one| one.header("webhook-id")).collect();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    // The slow one comes back: its outcome no longer counts.
    let late = delivery::Failed { error: "late", status: Some(500) };
    delivery::give_up(test.pool(), &claimed, &late, false).await.unwrap();
    assert_eq!(row(&test, id).await.state, "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_gets_a_text_and_blocks_with_the_link() {
    let receiver = Receiver::start(&[Behaviour::Status(200)]).await;
    let (test, id) = owed("slack", &receiver.url).await;
    let worker = notifier(&test, sender(true, None)).await;
    reaches(&test, id, "delivered").await;
    worker.stop().await;
    let body: Value = serde_json::from_slice(&receiver.arrived()[0].body).unwrap();
    assert_eq!(body["text"], "Failed: Add a risk checker");
    let text = body["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(
        text.contains("It cannot be done: declined") && text.contains("<https://aspora.test/runs/"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_says_what_the_page_says() {
    let server = MailServer::start(&[451]).await;
    let (test, id) = owed("email", "pia@acme.example").await;
    let worker = notifier(&test, sender(true, Some(&server))).await;
    assert_eq!(failed(&test, id, 1).await.status, Some(451));
    now(&test).await;
    let delivered = reaches(&test, id, "delivered").await;
    worker.stop().await;
    let mails = server.mails();
    assert_eq!((mails.len(), mails[0].to.as_slice()), (1, &["<pia@acme.example>".to_owned()][..]));
    let text = &mails[0].text;
    assert!(text.contains("Subject: Failed: Add a risk checker\n"), "{text}");
    assert!(
        text.contains("It cannot be done: declined") && text.contains("https://aspora.test/runs/"),
        "{text}"
    );
    assert!(text.contains(&format!("<{}@acme.example>", delivered.id.simple())), "{text}");
    assert!(text.contains("Auto-Submitted: auto-generated"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_does_not_exist_is_a_dead_letter() {
    let server = MailServer::start(&[550]).await;
    let (test, id) = owed("email", "nobody@acme.example").await;
    let worker = notifier(&test, sender(true, Some(&server))).await;
    assert_eq!(reaches(&test, id, "dead").await.status, Some(550));
    worker.stop().await;
    assert!(server.mails().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_not_reached_by_any_name() {
    let receiver = Receiver::start(&[Behaviour::Status(200)]).await;
    let content = Content::trial("ada", DateTime::UNIX_EPOCH);
    let message = Message { id: Uuid::nil(), now: DateTime::UNIX_EPOCH, content: &content };
    let by_name = receiver.url.replace("127.0.0.1", "localhost");
    for url in [&receiver.url, &by_name] {
        let target = Target::read("slack", url, None).unwrap();
        let refused = sender(false, None).send(&target, &message).await.unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, Failure::Final { .. } | Failure::Retry { .. }), "{refused:?}");
        assert!(text.contains("private address"), "{text}");
        sender(true, None).send(&target, &message).await.unwrap();
    }
    assert_eq!(receiver.arrived().len(), 2, "only what is allowed arrived");
}
