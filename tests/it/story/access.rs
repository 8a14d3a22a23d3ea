//! Repositories that are renamed, archived, deleted or taken out of our reach: a run says what it waits for, fails at
//! nothing, and goes on when people have undone it. No timer wakes these runs.

use aspora::core::run::Event;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    forge::CHECKS,
    webhooks::{asleep, asleep_as_app, deliver},
    world::{REPO, World},
};

async fn number(world: &World) -> u64 {
    world.forge().repository(&REPO.parse().unwrap()).await.unwrap().id
}

async fn stored(world: &World, event: &str, action: &str, more: Value) {
    let mut payload = more;
    payload["action"] = json!(action);
    let (_, receipt) = deliver(world, &Uuid::new_v4().to_string(), event, &payload).await;
    assert_eq!(receipt["result"], "stored", "{event}.{action}: {receipt}");
}

async fn assert_nothing_failed(world: &World, run: Uuid) {
    let failed = |event: &Event| matches!(event, Event::Failed { .. } | Event::Exhausted { .. });
    let events = world.events(run).await;
    assert!(!events.iter().any(|row| failed(&row.body.0)), "{}", world.history(run).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_installation_is_waited_for() {
    let (world, run, head) = asleep_as_app().await;
    let installation = world.forge().abilities(&REPO.parse().unwrap()).await.unwrap().installation.unwrap();
    let installation = i64::try_from(installation).unwrap();
    let of = json!({"installation": {"id": installation, "account": {"login": "Acme"}}});
    world.twin.suspend_installation(installation, true).unwrap();
    stored(&world, "installation", "suspend", of.clone()).await;
    world.until_waiting_for(run, "is suspended").await;
    world.twin.suspend_installation(installation, false).unwrap();
    world.pass_checks(&head).await;
    stored(&world, "installation", "unsuspend", of).await;
    assert_eq!(world.until_ended(run).await, "done");
    assert_nothing_failed(&world, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_repository_is_waited_for() {
    let (world, run, head) = asleep().await;
    let repository = json!({"repository": {"id": number(&world).await, "full_name": REPO}});
    world.twin.archive_repository(REPO, true).await.unwrap();
    stored(&world, "repository", "archived", repository.clone()).await;
    world.until_waiting_for(run, "to be unarchived").await;
    world.twin.archive_repository(REPO, false).await.unwrap();
    world.pass_checks(&head).await;
    stored(&world, "repository", "unarchived", repository).await;
    assert_eq!(world.until_ended(run).await, "done");
    assert_nothing_failed(&world, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_repository_is_named_as_the_reason() {
    let (world, run, _) = asleep_as_app().await;
    let repository = json!({"repository": {"id": number(&world).await, "full_name": REPO}});
    world.twin.delete_repository(REPO).await.unwrap();
    stored(&world, "repository", "deleted", repository).await;
    let reason = world.until_waiting_for(run, REPO).await;
    assert!(reason.contains("there is no such repository"), "{reason}");
    assert_nothing_failed(&world, run).await;
    let (_, why) = world.call("GET", &format!("runs/{run}/why"), None).await;
    assert!(why["sentence"].as_str().unwrap().contains("there is no such repository"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_repository_takes_its_product_and_its_runs_along() {
    let (world, run, head) = asleep().await;
    let (id, now) = (number(&world).await, "acme/renamed-product");
    // The number is learnt from the first webhook that names the repository.
    let seen = async || {
        let number: Option<i64> =
            sqlx::query_scalar("select repository_id from product").fetch_one(&world.pool).await.unwrap();
        number.is_some()
    };
    world.eventually("the product knows its repository", seen).await;
    world.twin.rename_repository(REPO, now).await.unwrap();
    let renamed = json!({
        "repository": {"id": id, "full_name": now}, "changes": {"repository": {"name": {"from": "wealth-product"}}},
    });
    stored(&world, "repository", "renamed", renamed).await;
    assert_eq!(world.run(run).await.spec.repository, now);
    let product = aspora::store::product::get(&world.pool, "wealth").await.unwrap().unwrap();
    assert_eq!(product.repository, now);
    for name in CHECKS {
        world.twin.set_check("ci", now, &head, name, Some("success")).await.unwrap();
    }
    assert_eq!(world.until_ended(run).await, "done");
    assert!(world.twin.pulls(now)[0].merge.is_some());
    let again = json!({"repository": {"id": id + 1, "full_name": REPO}, "ref": "refs/heads/main"});
    let (_, receipt) = deliver(&world, "namesake", "push", &again).await;
    assert_eq!(receipt["result"], "ignored", "a repository that was given the old name: {receipt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_is_put_learns_the_number_of_its_repository() {
    let world = World::with(|setup| setup.ci = None).await;
    world.twin.webhooks().drop_next(u32::MAX);
    let product = json!({"name": "wealth", "repository": REPO});
    assert_eq!(world.call("POST", "products", Some(product)).await.0, 200);
    let known: Option<i64> =
        sqlx::query_scalar("select repository_id from product").fetch_one(&world.pool).await.unwrap();
    assert_eq!(known, i64::try_from(number(&world).await).ok());
    assert!(known.is_some());
}
