//! Webhooks that come ten times, never, or in the wrong order.

use std::time::Duration;

use aspora::{activities::Polling, core::run::Event, dev::github::Delivery};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use super::{
    script::{WISH, and_content, file, generates},
    world::{SECRET, Setup, World, content},
};

fn waiting(setup: &mut Setup) {
    setup.ci = None;
    setup.script = and_content(generates(&file("lib/round.py", "ROUND = 1")));
}

/// Sends a delivery as the twin did; the status.
async fn send_again(world: &World, delivery: &Delivery) -> u16 {
    let body = serde_json::to_vec(&delivery.payload).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&body);
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request
        .post(format!("{}/api/v1/webhooks/github", world.url))
        .header("content-type", "application/json")
        .header("x-github-event", &delivery.event)
        .header("x-github-delivery", delivery.id.to_string())
        .header("x-hub-signature-256", format!("sha256={}", hex::encode(mac.finalize().into_bytes())));
    request.body(body).send().await.unwrap().status().as_u16()
}

async fn signals(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from signal").fetch_one(&world.pool).await.unwrap()
}

async fn heard(world: &World, run: Uuid) -> usize {
    let events = world.events(run).await;
    events.iter().filter(|row| matches!(row.body.0, Event::Signalled { .. })).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_comes_ten_times_is_heard_once() {
    let world = World::with(waiting).await;
    let run = world.submit(WISH).await;
    world.waits_for(run, "CI Pipeline").await;
    world.twin.settled().await;
    let sent = world.twin.webhooks().sent();
    assert!(!sent.is_empty(), "webhooks reach the server");
    let (known, heard_before) = (signals(&world).await, heard(&world, run).await);
    assert!(known > 0);
    for delivery in sent.iter().cycle().take(10 * sent.len()) {
        assert_eq!(send_again(&world, delivery).await, 200);
    }
    assert_eq!((signals(&world).await, heard(&world, run).await), (known, heard_before));
    world.checks_pass(&world.head(run).await).await;
    assert_eq!(world.settle(run).await, "done");
    world.nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_never_come_are_made_up_for_by_looking() {
    let world = World::with(waiting).await;
    world.twin.webhooks().drop_next(u32::MAX);
    let run = world.submit(WISH).await;
    world.waits_for(run, "CI Pipeline").await;
    world.checks_pass(&world.head(run).await).await;
    assert_eq!(world.settle(run).await, "done");
    assert_eq!((signals(&world).await, heard(&world, run).await), (0, 0));
    world.nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_in_the_wrong_order_do_no_harm() {
    let world = World::with(|setup| {
        waiting(setup);
        setup.ci = Some(content());
    })
    .await;
    world.twin.webhooks().reorder(6);
    let run = world.submit(WISH).await;
    assert_eq!(world.settle(run).await, "done");
    world.twin.settled().await;
    assert!(signals(&world).await > 0);
    world.nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_wakes_the_run_that_waits_for_it() {
    let world = World::with(|setup| {
        waiting(setup);
        let never = Duration::from_secs(3600);
        setup.polling = Polling { least: never, most: never };
    })
    .await;
    let run = world.submit(WISH).await;
    world.waits_for(run, "CI Pipeline").await;
    world.checks_pass(&world.head(run).await).await;
    assert_eq!(world.ends(run).await, "done");
    assert!(heard(&world, run).await > 0, "{}", world.history(run).await);
}
