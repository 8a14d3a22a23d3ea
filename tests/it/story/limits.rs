//! Limits that are kept to, and keys that people must mend.

use aspora::{
    core::run::Event,
    dev::{
        github::{self, FaultRule},
        model::Fault,
    },
    llm::Task,
    store::{self, attempt, event::Row},
};
use chrono::TimeDelta;
use std::{sync::Mutex, time::Duration};
use uuid::Uuid;

use super::{
    script::{WISH, and_content, file, generates},
    support,
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
    world.twin.inject(FaultRule { method, path, nth: 1, fault: github::Fault::SecondaryLimit(120) }).unwrap();
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

/// How many REST calls the twin has seen.
fn calls(world: &World) -> usize {
    world.twin.ledger().iter().filter(|entry| !entry.path.contains(".git/")).count()
}

/// Waits until each of these runs is held back by a limit that workers share; its key.
async fn held_back(world: &World, runs: &[Uuid]) -> Vec<String> {
    let mut keys = Vec::new();
    for run in runs {
        let found = Mutex::new(None);
        support::eventually("the run is held back", async || {
            let job = store::job::standing(&world.pool, *run).await.unwrap();
            *found.lock().unwrap() = job.and_then(|job| job.held_back).map(|(key, _)| key);
            found.lock().unwrap().is_some()
        })
        .await;
        keys.extend(found.into_inner().unwrap());
    }
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn after_one_workers_penalty_no_worker_calls_github_until_it_is_over() {
    // Without a CI no run goes on to its merge and moves the base away under the others.
    let world = World::with(|setup| {
        simple(setup);
        setup.ci = None;
    })
    .await;
    let (method, path) = ("POST".to_owned(), "/repos/*/*/pulls".to_owned());
    world.twin.inject(FaultRule { method, path, nth: 1, fault: github::Fault::SecondaryLimit(600) }).unwrap();
    let first = world.submit(WISH).await;
    world.fails(first).await;
    let before = calls(&world);
    // Whoever met the limit is gone; two others, who know nothing of it, take over.
    world.stop_worker().await;
    world.start_worker(|_| {});
    world.start_worker(|_| {});
    let mut runs = Vec::new();
    for number in 0..4 {
        runs.push(world.submit(&format!("{WISH} {number}")).await);
    }
    let keys = held_back(&world, &runs).await;
    assert!(keys.iter().all(|key| key.starts_with("github:127.0.0.1:") && *key == keys[0]), "{keys:?}");
    assert_eq!(calls(&world), before, "nobody called in the penalty window");
    for run in &runs {
        assert_eq!(world.events(*run).await.len(), 1, "a wait is no event");
        assert!(attempt::of_run(&world.pool, *run).await.unwrap().is_empty(), "nor an attempt");
    }
    world.forget_back_offs(first, Duration::from_secs(300)).await;
    assert_eq!(calls(&world), before, "half of the time is not enough");
    for run in runs.iter().chain([&first]) {
        world.forget_back_offs(*run, Duration::from_secs(700)).await;
    }
    support::eventually("every run has its pull request", async || world.twin.pulls(REPO).len() == 5).await;
    // Each answer was paid for once, before and after the wait together.
    assert_eq!(world.asked(Task::Generate), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_github_tells_is_never_overdrawn() {
    let world = World::with(simple).await;
    world.twin.limit_rate(Some((3, 3600)));
    let run = world.submit(WISH).await;
    held_back(&world, &[run]).await;
    let ledger = world.twin.ledger();
    let statuses = ledger.iter().filter(|it| !it.path.contains(".git/")).map(|it| it.status);
    let statuses: Vec<u16> = statuses.collect();
    assert_eq!(statuses.len(), 3, "{statuses:?}");
    assert!(statuses.iter().all(|status| *status != 403), "{statuses:?}");
    world.twin.limit_rate(None);
    assert_eq!(world.settle(run).await, "done");
    let history = world.history(run).await;
    assert!(!history.contains("failed at attempt"), "{history}");
    world.nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_one_workers_penalty_no_worker_asks_the_model_until_it_is_over() {
    let world = World::with(simple).await;
    world.model.fail_next(Fault::Status(429, Some(600)));
    let first = world.submit(WISH).await;
    world.fails(first).await;
    world.stop_worker().await;
    world.start_worker(|_| {});
    let second = world.submit(&format!("{WISH} again")).await;
    let keys = held_back(&world, &[second]).await;
    assert!(keys[0].starts_with("model:127.0.0.1:"), "{keys:?}");
    assert_eq!(world.model.ledger().len(), 1);
    world.forget_back_offs(second, Duration::from_secs(700)).await;
    world.forget_back_offs(first, Duration::from_secs(700)).await;
    support::eventually("both are asked", async || world.asked(Task::Generate) == 2).await;
}
