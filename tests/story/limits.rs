//! Limits that are kept to, and keys that people must mend.

use aspora::{
    core::run::Event,
    dev::{
        github::{Mode, Rule},
        model::Fault,
    },
    llm::Task,
    store::event::Row,
};
use chrono::TimeDelta;
use std::time::Duration;

use crate::{
    script::{WISH, and_content, file, generates},
    world::{KEY, REPO, Setup, TOKEN, World, content},
};

fn simple(setup: &mut Setup) {
    setup.ci = Some(content());
    setup.script = and_content(generates(&file("lib/round.py", "ROUND = 1")));
}

/// The error, and how long after the failure the next attempt will be made at the earliest.
fn failed(row: &Row) -> (String, TimeDelta) {
    match &row.body.0 {
        Event::Failed { error, retry_at, .. } => (error.clone(), *retry_at - row.at),
        event => panic!("{event:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_secondary_limit_is_waited_for_as_long_as_it_says() {
    let world = World::with(simple).await;
    let (method, path) = ("POST".to_owned(), "/repos/*/*/pulls".to_owned());
    world.twin.fault(Rule { method, path, nth: 1, mode: Mode::SecondaryLimit(120) }).unwrap();
    let run = world.submit(WISH).await;
    let (error, wait) = failed(&world.fails(run).await);
    assert!(error.contains("rate limited (403)"), "{error}");
    assert!(wait > TimeDelta::seconds(118), "{wait}");
    world.forget_back_offs(run, Duration::from_secs(60)).await;
    assert!(world.twin.pulls(REPO).is_empty(), "half of the time is not enough");
    assert_eq!(world.settle(run).await, "done");
    assert_eq!(world.asked(Task::Generate), 1);
    world.nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_limit_is_waited_for_as_long_as_it_says() {
    let world = World::with(simple).await;
    world.model.fail_next(Fault::Status(429, Some(120)));
    let run = world.submit(WISH).await;
    let (error, wait) = failed(&world.fails(run).await);
    assert!(error.contains("the model is out of reach for now"), "{error}");
    assert!(wait > TimeDelta::seconds(118), "{wait}");
    assert_eq!(world.model.ledger().len(), 1);
    assert_eq!(world.settle(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_of_github_is_told_and_loses_nothing() {
    let world = World::with(|setup| {
        simple(setup);
        setup.token = "a-token-that-was-revoked";
    })
    .await;
    let run = world.submit(WISH).await;
    let (error, _) = failed(&world.fails(run).await);
    assert!(error.contains("Authentication failed") && !error.contains("revoked"), "{error}");
    world.stop_worker().await;
    world.start_worker(|house| house.forge.token = TOKEN.into());
    assert_eq!(world.settle(run).await, "done");
    world.nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_of_the_model_is_told_and_loses_nothing() {
    let world = World::with(|setup| {
        simple(setup);
        setup.key = "a-key-that-was-revoked";
    })
    .await;
    let run = world.submit(WISH).await;
    let (error, _) = failed(&world.fails(run).await);
    assert!(error.contains("the model does not accept the key") && !error.contains("revoked"), "{error}");
    world.stop_worker().await;
    world.start_worker(|house| house.model.api_key = KEY.into());
    assert_eq!(world.settle(run).await, "done");
    world.nothing_twice();
}
