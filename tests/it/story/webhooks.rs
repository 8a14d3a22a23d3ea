//! Webhooks that arrive ten times, never, or in the wrong order.

use std::time::Duration;

use aspora::{
    activities::Polling,
    core::run::Event,
    dev::{Acting, github::Delivery},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, SECRET, Setup, World},
};

fn waiting(setup: &mut Setup) {
    setup.ci = None;
    setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
}

/// Sends a delivery again, signed as the twin signs it; the status.
async fn send_again(world: &World, delivery: &Delivery) -> u16 {
    deliver(world, &delivery.id.to_string(), &delivery.event, &delivery.payload).await.0
}

/// Sends a webhook as GitHub does; the status, and what became of it.
pub(super) async fn deliver(world: &World, id: &str, event: &str, payload: &Value) -> (u16, Value) {
    let body = serde_json::to_vec(payload).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&body);
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request
        .post(format!("{}/api/v1/webhooks/github", world.url))
        .header("content-type", "application/json")
        .header("x-github-event", event)
        .header("x-github-delivery", id)
        .header("x-hub-signature-256", format!("sha256={}", hex::encode(mac.finalize().into_bytes())));
    let answer = request.body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn signals(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from signal").fetch_one(&world.pool).await.unwrap()
}

pub(super) async fn signalled(world: &World, run: Uuid) -> usize {
    let events = world.events(run).await;
    events.iter().filter(|row| matches!(row.body.0, Event::Signalled { .. })).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_arrives_ten_times_counts_once() {
    let world = World::with(waiting).await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.twin.settled().await;
    let sent = world.twin.webhooks().sent();
    assert!(!sent.is_empty(), "webhooks reach the server");
    let (known, signalled_before) = (signals(&world).await, signalled(&world, run).await);
    assert!(known > 0);
    for delivery in sent.iter().cycle().take(10 * sent.len()) {
        assert_eq!(send_again(&world, delivery).await, 200);
    }
    assert_eq!((signals(&world).await, signalled(&world, run).await), (known, signalled_before));
    world.pass_checks(&world.head(run).await).await;
    assert_eq!(world.run_to_end(run).await, "done");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_webhooks_are_made_up_for_by_polling() {
    let world = World::with(waiting).await;
    world.twin.settled().await;
    let before = signals(&world).await;
    world.twin.webhooks().drop_next(u32::MAX);
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.pass_checks(&world.head(run).await).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((signals(&world).await, signalled(&world, run).await), (before, 0));
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_in_the_wrong_order_do_no_harm() {
    let world = World::with(|setup| {
        waiting(setup);
        setup.ci = Some(passing_ci());
    })
    .await;
    world.twin.webhooks().reorder(6);
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    world.twin.settled().await;
    assert!(signals(&world).await > 0);
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_wakes_the_waiting_run() {
    let world = World::with(|setup| {
        waiting(setup);
        setup.polling = Polling::at_least(Duration::from_secs(3600));
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.pass_checks(&world.head(run).await).await;
    assert_eq!(world.until_ended(run).await, "done");
    assert!(signalled(&world, run).await > 0, "{}", world.history(run).await);
}

/// A run that no timer wakes, and its head.
pub(super) async fn asleep() -> (World, Uuid, String) {
    asleep_with(|_| {}).await
}

/// The same where it matters that we are the App: only it has installations, and check runs with buttons.
pub(super) async fn asleep_as_app() -> (World, Uuid, String) {
    asleep_with(|setup| setup.acting = Acting::App).await
}

async fn asleep_with(change: impl FnOnce(&mut Setup)) -> (World, Uuid, String) {
    let world = World::with(|setup| {
        waiting(setup);
        setup.polling = Polling::at_least(Duration::from_secs(3600));
        change(setup);
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.twin.settled().await;
    let head = world.head(run).await;
    (world, run, head)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_suite_that_names_only_the_waiting_head_wakes_its_run() {
    let (world, run, head) = asleep().await;
    let before = signalled(&world, run).await;
    let suite = json!({"id": 1, "head_sha": head, "head_branch": null, "pull_requests": []});
    let payload = json!({
        "action": "completed", "check_suite": suite, "repository": {"full_name": REPO},
    });
    let delivery = Delivery { id: Uuid::new_v4(), event: "check_suite".to_owned(), payload };
    assert_eq!(send_again(&world, &delivery).await, 200);
    let woken = async || signalled(&world, run).await > before;
    world.eventually("the run is woken", woken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_on_a_head_that_two_branches_hold_wakes_the_waiting_run() {
    let (world, run, head) = asleep().await;
    let before = signalled(&world, run).await;
    world.twin.create_branch(REPO, "copy", &head).await.unwrap();
    world.twin.set_status_as("asha", REPO, &head, ("lint", "success", "")).await.unwrap();
    let woken = async || signalled(&world, run).await > before;
    world.eventually("the run is woken", woken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn news_of_deleted_accounts_and_of_forks_that_are_gone_wakes_its_run() {
    let (world, run, head) = asleep().await;
    let pull = world.run(run).await.run.progress.pull.unwrap();
    let gone = json!({"label": null, "user": null, "repo": null, "ref": "main", "sha": head});
    let pull = json!({"number": pull, "user": null, "head": gone});
    let repository = json!({"full_name": REPO});
    let review = json!({"user": null, "state": "approved", "commit_id": null});
    for (event, payload) in [
        ("pull_request", json!({"action": "closed"})),
        ("pull_request_review", json!({"action": "submitted", "review": review})),
    ] {
        let before = signalled(&world, run).await;
        let mut payload = payload;
        payload["pull_request"] = pull.clone();
        (payload["sender"], payload["repository"]) = (Value::Null, repository.clone());
        let (status, receipt) = deliver(&world, event, event, &payload).await;
        assert_eq!((status, &receipt["result"]), (200, &json!("stored")), "{receipt}");
        let woken = async || signalled(&world, run).await > before;
        world.eventually("the run is woken", woken).await;
        world.until_waiting_for(run, "CI Pipeline").await;
    }
    world.pass_checks(&head).await;
    assert_eq!(world.until_ended(run).await, "done");
}
