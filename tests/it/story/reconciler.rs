//! Webhooks that GitHub could not deliver are asked for again, or made up for by polling.

use std::{sync::Arc, time::Duration};

use aspora::{
    activities::{Polling, Reconciler},
    core::{redelivery::MOST_REQUESTS, run::Event},
    dev::{Acting, github::Webhook},
    store::lost_delivery,
};
use uuid::Uuid;

use super::{
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    support::skip_waits,
    world::{REPO, SECRET, Setup, World},
};

fn waiting(setup: &mut Setup) {
    // An App alone has a list of deliveries.
    setup.acting = Acting::App;
    setup.ci = None;
    setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    setup.polling = Polling::at_least(Duration::from_secs(3600));
}

/// A run that waits for its checks, and for which no timer is due within an hour.
async fn asleep(world: &World) -> Uuid {
    let run = world.submit(COUNT_ROUNDS).await;
    // The webhooks of its own acts wake it until all of them have arrived.
    for _ in 0..2 {
        world.until_waiting_for(run, "CI Pipeline").await;
        world.eventually("our comment says so", async || !world.has_more_to_say().await).await;
        world.twin.settled().await;
    }
    world.until_waiting_for(run, "CI Pipeline").await;
    run
}

impl World {
    /// Whether a look at the conversation is due or under way.
    async fn has_more_to_say(&self) -> bool {
        let due = "select exists (select from conversation where due_at <= now() or claimed_until > now())";
        sqlx::query_scalar(due).fetch_one(&self.pool).await.unwrap()
    }

    /// One reading of a worker; how many deliveries it asked for.
    async fn reconcile(&self) -> usize {
        sqlx::query("update delivery_reading set due_at = now()").execute(&self.pool).await.unwrap();
        let forge = Arc::new(self.forge());
        let asked = Reconciler::new(self.pool.clone(), forge).read_if_due().await.unwrap().unwrap();
        self.twin.settled().await;
        asked
    }

    /// Lets the wait until the next request pass.
    async fn skip_wait(&self) {
        let later = "update lost_delivery set due_at = now()";
        sqlx::query(later).execute(&self.pool).await.unwrap();
    }

    /// Lets deliveries go nowhere; `restore` lets them arrive again.
    pub(crate) fn cut(&self) {
        let url = "http://127.0.0.1:1/".to_owned();
        self.twin.set_webhook(Some(Webhook { url, secret: SECRET.to_owned() }));
    }

    pub(crate) fn restore(&self) {
        let url = format!("{}/api/v1/webhooks/github", self.url);
        self.twin.set_webhook(Some(Webhook { url, secret: SECRET.to_owned() }));
    }

    fn redeliveries(&self) -> usize {
        let is_request =
            |path: &str| path.starts_with("/app/hook/deliveries/") && path.ends_with("/attempts");
        self.twin.ledger().iter().filter(|entry| is_request(&entry.path)).count()
    }
}

async fn signalled(world: &World, run: Uuid) -> usize {
    let events = world.events(run).await;
    events.iter().filter(|row| matches!(row.body.0, Event::Signalled { .. })).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_webhook_is_asked_for_again_and_wakes_its_run() {
    let world = World::with(waiting).await;
    let run = asleep(&world).await;
    assert_eq!(world.reconcile().await, 0, "nothing was lost");
    let before = signalled(&world, run).await;
    world.cut();
    world.pass_checks(&world.head(run).await).await;
    world.twin.settled().await;
    world.restore();
    assert!(world.reconcile().await > 0);
    assert_eq!(world.until_ended(run).await, "done");
    assert!(signalled(&world, run).await > before, "{}", world.history(run).await);
    world.twin.settled().await;
    assert_eq!(world.reconcile().await, 0, "all were received");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_never_arrives_is_asked_for_a_few_times_and_one_that_is_refused_not_at_all() {
    let world = World::with(waiting).await;
    let run = asleep(&world).await;
    world.twin.set_webhook(Some(Webhook {
        url: format!("{}/api/v1/webhooks/github", world.url),
        secret: "another".to_owned(),
    }));
    world.twin.comment_as("asha", REPO, 1, "refused").await.unwrap();
    world.twin.settled().await;
    assert_eq!(world.reconcile().await, 0, "a wrong signature would be refused again");
    world.cut();
    world.twin.comment_as("asha", REPO, 1, "lost").await.unwrap();
    world.twin.settled().await;
    assert_eq!(world.reconcile().await, 1);
    assert_eq!(world.reconcile().await, 0, "not before its wait is over");
    for _ in 1..MOST_REQUESTS {
        world.skip_wait().await;
        assert_eq!(world.reconcile().await, 1);
    }
    world.skip_wait().await;
    assert_eq!(world.reconcile().await, 0);
    assert_eq!(world.redeliveries(), MOST_REQUESTS as usize);
    world.restore();
    world.pass_checks(&world.head(run).await).await;
    assert_eq!(world.until_ended(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_github_forgot_is_given_up_and_one_worker_reads_at_a_time() {
    let world = World::with(waiting).await;
    let _run = asleep(&world).await;
    world.cut();
    world.twin.comment_as("asha", REPO, 1, "lost").await.unwrap();
    world.twin.settled().await;
    let gone = "insert into lost_delivery (guid, attempt) values ('gone', 1)";
    sqlx::query(gone).execute(&world.pool).await.unwrap();
    assert_eq!(world.reconcile().await, 1);
    world.skip_wait().await;
    assert_eq!(world.reconcile().await, 1, "the other one only");
    let claim = async || lost_delivery::claim_reading(&world.pool, Duration::from_secs(300)).await.unwrap();
    assert_eq!(claim().await, None, "it is not due yet");
    sqlx::query("update delivery_reading set due_at = now()").execute(&world.pool).await.unwrap();
    let (first, second) = (claim().await, claim().await);
    assert!(first.unwrap().last.is_some() && second.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_polling_makes_up_for_lost_webhooks() {
    let world = World::with(|setup| {
        waiting(setup);
        setup.acting = Acting::Classic;
    })
    .await;
    let run = asleep(&world).await;
    assert!(!world.forge().lists_deliveries());
    world.cut();
    world.pass_checks(&world.head(run).await).await;
    world.twin.settled().await;
    world.until_waiting_for(run, "CI Pipeline").await;
    skip_waits(&world.pool).await;
    assert_eq!(world.until_ended(run).await, "done");
    world.assert_nothing_twice();
}
