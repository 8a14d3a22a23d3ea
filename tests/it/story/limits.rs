//! Rate limits of GitHub and the model, and invalid credentials.

use aspora::{
    core::run::Event,
    dev::{
        Acting,
        github::{self, FaultRule},
        model::Fault,
    },
    github::Credential,
    llm::Task,
    store::{self, attempt, event::Row},
};
use chrono::TimeDelta;
use std::{sync::Mutex, time::Duration};
use uuid::Uuid;

use super::{
    forge::{credential, passing_ci},
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{KEY, REPO, Setup, World},
};

fn simple(setup: &mut Setup) {
    setup.ci = Some(passing_ci());
    setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
}

/// The error, and how long after the failure the next attempt will be made at the earliest.
fn failed(row: &Row) -> (String, TimeDelta) {
    match &row.body.0 {
        Event::Failed { error, retry_at, .. } => (error.clone(), *retry_at - row.at),
        event => panic!("{event:?}"),
    }
}

/// Waits until a call of the run was turned away; what was said, and how long after it the job is due at the earliest.
async fn turned_away(world: &World, run: Uuid) -> (String, TimeDelta) {
    let found = Mutex::new(None);
    world
        .eventually("the call is turned away", async || {
            let events = world.events(run).await;
            let held = events.iter().rev().find_map(|row| match &row.body.0 {
                Event::Held { error, .. } => Some((error.clone(), row.at)),
                _ => None,
            });
            let job = store::job::standing(&world.pool, run).await.unwrap();
            let due = job.filter(|job| job.held_back.is_some()).map(|job| job.visible_at);
            *found.lock().unwrap() = held.zip(due).map(|((error, at), due)| (error, due - at));
            found.lock().unwrap().is_some()
        })
        .await;
    found.into_inner().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_secondary_limit_is_waited_out() {
    let world = World::with(simple).await;
    let (method, path) = ("POST".to_owned(), "/repos/*/*/pulls".to_owned());
    world.twin.inject(FaultRule { method, path, nth: 1, fault: github::Fault::SecondaryLimit(120) }).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    let (error, wait) = turned_away(&world, run).await;
    assert!(error.contains("rate limited (403)"), "{error}");
    assert!(wait > TimeDelta::seconds(118), "{wait}");
    world.skip_back_off(run, Duration::from_secs(60)).await;
    assert!(world.twin.pulls(REPO).is_empty(), "half of the penalty is not enough");
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.model_calls(Task::Generate), 1);
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_rate_limit_is_waited_out() {
    let world = World::with(simple).await;
    world.model.fail_next(Fault::Status(429, Some(120)));
    let run = world.submit(COUNT_ROUNDS).await;
    let (error, wait) = turned_away(&world, run).await;
    assert!(error.contains("the model is out of reach for now"), "{error}");
    assert!(wait > TimeDelta::seconds(118), "{wait}");
    assert_eq!(world.model.ledger().len(), 1);
    assert_eq!(world.run_to_end(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_github_token_is_reported_and_the_run_continues_with_a_valid_one() {
    let world = World::with(|setup| {
        simple(setup);
        setup.credential = Some(Credential::Token("ghp_revoked0123456789".into()));
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    let (error, _) = failed(&world.until_failed(run).await);
    assert!(error.contains("Bad credentials") && !error.contains("revoked"), "{error}");
    world.stop_worker().await;
    let valid = credential(&world.twin, Acting::App);
    world.start_worker(|app| app.forge.credential = valid);
    assert_eq!(world.run_to_end(run).await, "done");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_model_key_is_reported_and_the_run_continues_with_a_valid_one() {
    let world = World::with(|setup| {
        simple(setup);
        setup.key = "a-key-that-was-revoked";
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    let (error, _) = failed(&world.until_failed(run).await);
    assert!(error.contains("the model does not accept the key") && !error.contains("revoked"), "{error}");
    world.stop_worker().await;
    world.start_worker(|app| app.model.as_mut().unwrap().api_key = KEY.into());
    assert_eq!(world.run_to_end(run).await, "done");
    world.assert_nothing_twice();
}

/// How many REST requests the twin received that count by the installation: those of the App itself, by which a
/// worker finds the installation, count by the App.
fn calls(world: &World) -> usize {
    let ledger = world.twin.ledger();
    ledger.iter().filter(|entry| !entry.path.contains(".git/") && !of_app(&entry.path)).count()
}

fn of_app(path: &str) -> bool {
    path.starts_with("/app") || path.ends_with("/installation")
}

/// Waits until a shared rate limit holds each of these runs back; the keys of the limits.
async fn held_back(world: &World, runs: &[Uuid]) -> Vec<String> {
    let mut keys = Vec::new();
    for run in runs {
        let found = Mutex::new(None);
        world
            .eventually("the run is held back", async || {
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
async fn a_penalty_stops_all_workers_from_calling_github() {
    // Without a CI no run reaches its merge, so the base does not move.
    let world = World::with(|setup| {
        simple(setup);
        setup.ci = None;
    })
    .await;
    let (method, path) = ("POST".to_owned(), "/repos/*/*/pulls".to_owned());
    world.twin.inject(FaultRule { method, path, nth: 1, fault: github::Fault::SecondaryLimit(600) }).unwrap();
    let first = world.submit(COUNT_ROUNDS).await;
    turned_away(&world, first).await;
    let before = calls(&world);
    // Replace the worker that hit the limit by two that did not.
    world.stop_worker().await;
    world.start_worker(|_| {});
    world.start_worker(|_| {});
    let mut runs = Vec::new();
    for number in 0..4 {
        runs.push(world.submit(&format!("{COUNT_ROUNDS} {number}")).await);
    }
    let keys = held_back(&world, &runs).await;
    assert!(keys.iter().all(|key| key.starts_with("github:127.0.0.1:") && *key == keys[0]), "{keys:?}");
    assert_eq!(calls(&world), before, "no worker calls GitHub during the penalty");
    for run in &runs {
        assert_eq!(world.events(*run).await.len(), 1, "a wait is not an event");
        assert!(attempt::of_run(&world.pool, *run).await.unwrap().is_empty(), "a wait is not an attempt");
    }
    world.skip_back_off(first, Duration::from_secs(300)).await;
    assert_eq!(calls(&world), before, "half of the penalty is not enough");
    for run in runs.iter().chain([&first]) {
        world.skip_back_off(*run, Duration::from_secs(700)).await;
    }
    world.eventually("every run has its pull request", async || world.twin.pulls(REPO).len() == 5).await;
    // Each answer is paid for once, although attempts before and after the wait need it.
    assert_eq!(world.model_calls(Task::Generate), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_rate_limit_window_is_never_exceeded() {
    let world = World::with(simple).await;
    world.twin.limit_rate(Some((3, 3600)));
    let run = world.submit(COUNT_ROUNDS).await;
    held_back(&world, &[run]).await;
    let ledger = world.twin.ledger();
    let of_installation = ledger.iter().filter(|it| !it.path.contains(".git/") && !of_app(&it.path));
    let answers: Vec<_> = of_installation.map(|it| (&*it.path, it.status)).collect();
    assert_eq!(answers.len(), 3, "{answers:?}");
    // Classic protection is refused for want of a permission, which is no limit although the window is spent by then.
    let is_over_limit = |(path, status): &(&str, u16)| *status == 403 && !path.ends_with("/protection");
    assert!(!answers.iter().any(is_over_limit), "{answers:?}");
    world.twin.limit_rate(None);
    assert_eq!(world.run_to_end(run).await, "done");
    let history = world.history(run).await;
    assert!(!history.contains("failed at attempt"), "{history}");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_penalty_stops_all_workers_from_calling_the_model() {
    let world = World::with(simple).await;
    world.model.fail_next(Fault::Status(429, Some(600)));
    let first = world.submit(COUNT_ROUNDS).await;
    turned_away(&world, first).await;
    world.stop_worker().await;
    world.start_worker(|_| {});
    let second = world.submit(&format!("{COUNT_ROUNDS} again")).await;
    let keys = held_back(&world, &[second]).await;
    assert!(keys[0].starts_with("model:127.0.0.1:"), "{keys:?}");
    assert_eq!(world.model.ledger().len(), 1);
    world.skip_back_off(second, Duration::from_secs(700)).await;
    world.skip_back_off(first, Duration::from_secs(700)).await;
    world.eventually("both calls are answered", async || world.model_calls(Task::Generate) == 2).await;
}
