//! Waiting runs: what wakes them, once, and that no signal is lost while a step parks.

use std::time::Duration;

use aspora::{
    core::{
        run::{Park, Progress, State, Topic},
        workflow::{Outcome::Closed, Outcome::Opened, Queue},
    },
    engine::Ack,
    store::{job::Lease, signal, signal::News},
};
use chrono::TimeDelta;
use futures::future::try_join_all;
use uuid::Uuid;

use super::support::{Ground, advance, answer, assert_sound, news};

async fn park(ground: &Ground, lease: &Lease) {
    let until = ground.run(lease.run).await.now + TimeDelta::minutes(5);
    let park =
        Park { reason: "checks and a review".to_owned(), topics: vec![Topic::Reviews, Topic::Checks], until };
    let parked = ground.engine.park(lease, "tester", park, Progress::default()).await.unwrap();
    assert_eq!(parked, Ack::Committed);
}

/// A run that waits for checks or reviews for five minutes.
async fn waiting(ground: &Ground) -> Uuid {
    let run = ground.accept().await;
    let lease = ground.claim(Queue::Llm).await;
    park(ground, &lease).await;
    run
}

async fn is_waiting(ground: &Ground, run: Uuid) -> bool {
    matches!(ground.run(run).await.run.state, State::Waiting { .. })
}

/// The run was woken once: it has a job again, and no timer.
async fn assert_woken(ground: &Ground, run: Uuid, by: &str) {
    assert_eq!(ground.kinds(run).await, ["started", "parked", by]);
    let stored = ground.run(run).await;
    assert_eq!((stored.run.turn, stored.run.step(), stored.run.visits["generate"]), (2, Some("generate"), 1));
    assert_sound(&ground.engine).await;
}

async fn untaken(ground: &Ground) -> i64 {
    ground.ask("select count(*) from signal where taken_at is null").await
}

#[tokio::test]
async fn a_parked_step_has_a_timer_and_no_job() {
    let ground = Ground::new().await;
    let run = waiting(&ground).await;
    assert!(is_waiting(&ground, run).await);
    assert_eq!(ground.ask::<i64>("select count(*) from job").await, 0);
    assert_eq!(ground.ask::<String>("select ended_as from attempt_log").await, "parked");
    assert_eq!(ground.engine.wake_due(100).await.unwrap(), 0, "its timer is not due");
    assert_sound(&ground.engine).await;
}

#[tokio::test]
async fn a_due_timer_wakes_its_run_once() {
    let ground = Ground::new().await;
    let run = waiting(&ground).await;
    advance(ground.pool(), Duration::from_secs(299)).await;
    assert_eq!(ground.engine.wake_due(100).await.unwrap(), 0);
    advance(ground.pool(), Duration::from_secs(2)).await;
    let woken = try_join_all((0..4).map(|_| ground.engine.wake_due(100))).await.unwrap();
    assert_eq!(woken.iter().sum::<usize>(), 1, "{woken:?}");
    assert_woken(&ground, run, "woken").await;
}

#[tokio::test]
async fn a_signal_wakes_the_run_that_waits_for_it() {
    let ground = Ground::new().await;
    let run = waiting(&ground).await;
    assert!(ground.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap());
    assert_eq!(untaken(&ground).await, 0);
    assert_woken(&ground, run, "signalled").await;
}

#[tokio::test]
async fn ten_equal_deliveries_are_one_row_and_one_wake() {
    let ground = Ground::new().await;
    let run = waiting(&ground).await;
    let delivery = news(run, Topic::Checks, "d1");
    let received = try_join_all((0..10).map(|_| ground.engine.receive_signal(&delivery))).await.unwrap();
    assert_eq!(received.iter().filter(|new| **new).count(), 1, "{received:?}");
    assert_eq!(signal::of_run(ground.pool(), run).await.unwrap().len(), 1);
    assert_woken(&ground, run, "signalled").await;
}

#[tokio::test]
async fn a_signal_finds_its_run_by_pull_request_too() {
    let ground = Ground::new().await;
    let run = waiting(&ground).await;
    ground.execute("update run set pull = 7, state = jsonb_set(state, '{progress,pull}', '7')").await;
    let by_pull =
        |pull| News { branch: None, pull: Some(pull), ..news(run, Topic::Reviews, &format!("p{pull}")) };
    ground.engine.receive_signal(&by_pull(8)).await.unwrap();
    assert!(is_waiting(&ground, run).await);
    ground.engine.receive_signal(&by_pull(7)).await.unwrap();
    assert!(!is_waiting(&ground, run).await);
}

#[tokio::test]
async fn signals_about_something_else_are_stored_and_wake_no_run() {
    let ground = Ground::new().await;
    let run = waiting(&ground).await;
    let topic = news(run, Topic::Push, "another topic");
    let branch = news(Uuid::now_v7(), Topic::Checks, "another branch");
    let repository =
        News { repository: "acme/other".to_owned(), ..news(run, Topic::Checks, "another repository") };
    let nameless = News { branch: None, ..news(run, Topic::Checks, "no branch and no pull request") };
    for other in [&topic, &branch, &repository, &nameless] {
        assert!(ground.engine.receive_signal(other).await.unwrap());
    }
    assert_eq!(untaken(&ground).await, 4);
    assert_eq!(signal::of_run(ground.pool(), run).await.unwrap().len(), 1, "only the first is for this run");
    assert!(is_waiting(&ground, run).await);
    assert_sound(&ground.engine).await;
}

#[tokio::test]
async fn a_signal_for_an_ended_run_changes_nothing_in_it() {
    let ground = Ground::new().await;
    let run = ground.accept().await;
    let lease = ground.claim(Queue::Llm).await;
    ground.engine.answer(&lease, "tester", answer(Closed)).await.unwrap();
    assert!(ground.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap());
    assert_eq!(ground.kinds(run).await, ["started", "answered"]);
    assert_sound(&ground.engine).await;
}

#[tokio::test]
async fn a_signal_during_the_attempt_ends_the_wait_before_it_begins() {
    let ground = Ground::new().await;
    let run = ground.accept().await;
    let lease = ground.claim(Queue::Llm).await;
    ground.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap();
    assert_eq!(untaken(&ground).await, 1);
    park(&ground, &lease).await;
    assert_eq!(untaken(&ground).await, 0);
    assert_woken(&ground, run, "signalled").await;
    // The same signal does not end the next wait.
    let lease = ground.claim(Queue::Llm).await;
    park(&ground, &lease).await;
    assert!(is_waiting(&ground, run).await);
}

#[tokio::test]
async fn a_signal_before_the_attempt_does_not_end_the_wait() {
    let ground = Ground::new().await;
    let run = ground.accept().await;
    ground.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap();
    let lease = ground.claim(Queue::Llm).await;
    assert_eq!(untaken(&ground).await, 0);
    park(&ground, &lease).await;
    assert!(is_waiting(&ground, run).await);
}

#[tokio::test]
async fn a_signal_of_another_topic_does_not_end_a_wait_before_it_begins() {
    let ground = Ground::new().await;
    let run = ground.accept().await;
    let lease = ground.claim(Queue::Llm).await;
    ground.engine.receive_signal(&news(run, Topic::Push, "d1")).await.unwrap();
    park(&ground, &lease).await;
    assert!(is_waiting(&ground, run).await);
    assert_eq!(untaken(&ground).await, 1);
    assert_sound(&ground.engine).await;
}

#[tokio::test]
async fn two_signals_at_once_for_one_run_neither_deadlock_nor_wake_it_twice() {
    let ground = Ground::new().await;
    let mut runs = Vec::new();
    for _ in 0..50 {
        runs.push(waiting(&ground).await);
    }
    let pairs = runs.iter().flat_map(|run| {
        [news(*run, Topic::Checks, &format!("{run} a")), news(*run, Topic::Reviews, &format!("{run} b"))]
    });
    let received = pairs.map(|one| {
        let engine = ground.engine.clone();
        tokio::spawn(async move { engine.receive_signal(&one).await })
    });
    for received in try_join_all(received).await.unwrap() {
        assert!(received.unwrap());
    }
    assert_eq!(ground.ask::<i64>("select count(*) from event where kind = 'signalled'").await, 50);
    assert_eq!(untaken(&ground).await, 50, "the second of each pair is for the attempt that follows");
    assert_sound(&ground.engine).await;
}

#[tokio::test]
async fn a_signal_and_a_timer_at_once_wake_a_run_once() {
    let ground = Ground::new().await;
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(waiting(&ground).await);
    }
    advance(ground.pool(), Duration::from_secs(301)).await;
    let engine = ground.engine.clone();
    let clock = tokio::spawn(async move { engine.wake_due(100).await });
    try_join_all(
        runs.iter().map(async |run| {
            ground.engine.receive_signal(&news(*run, Topic::Checks, &run.to_string())).await
        }),
    )
    .await
    .unwrap();
    clock.await.unwrap().unwrap();
    let woken = "select count(*) from event where kind in ('signalled', 'woken')";
    assert_eq!(ground.ask::<i64>(woken).await, 20);
    assert_sound(&ground.engine).await;
}

/// The lost wake-up: whichever of the two comes first, the run must not wait.
#[tokio::test]
async fn no_run_misses_a_signal_that_comes_while_it_parks() {
    let ground = Ground::new().await;
    for _ in 0..40 {
        let run = ground.accept().await;
        let lease = ground.claim(Queue::Llm).await;
        let (received, ()) = tokio::join!(
            async { ground.engine.receive_signal(&news(run, Topic::Checks, &run.to_string())).await },
            park(&ground, &lease)
        );
        assert!(received.unwrap());
        assert!(!is_waiting(&ground, run).await, "the signal was missed");
        let lease = ground.claim(Queue::Llm).await;
        ground.engine.answer(&lease, "tester", answer(Opened)).await.unwrap();
    }
    assert_sound(&ground.engine).await;
}
