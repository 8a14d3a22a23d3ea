//! Waiting runs: what wakes them, once, and that no news is lost on the way into the wait.

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

use super::support::{TestEngine, advance, answer, assert_sound, news};

async fn park(test: &TestEngine, lease: &Lease) {
    let until = test.run(lease.run).await.now + TimeDelta::minutes(5);
    let park =
        Park { reason: "checks and a review".to_owned(), topics: vec![Topic::Reviews, Topic::Checks], until };
    let parked = test.engine.park(lease, "tester", park, Progress::default()).await.unwrap();
    assert_eq!(parked, Ack::Committed);
}

/// A run that waits for checks or reviews for five minutes.
async fn waiting(test: &TestEngine) -> Uuid {
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    park(test, &lease).await;
    run
}

async fn is_waiting(test: &TestEngine, run: Uuid) -> bool {
    matches!(test.run(run).await.run.state, State::Waiting { .. })
}

/// The run was woken once: it has a job again, and no timer.
async fn assert_woken(test: &TestEngine, run: Uuid, by: &str) {
    assert_eq!(test.event_kinds(run).await, ["started", "parked", by]);
    let stored = test.run(run).await;
    assert_eq!((stored.run.turn, stored.run.step(), stored.run.visits["generate"]), (2, Some("generate"), 1));
    assert_sound(&test.engine).await;
}

async fn untaken(test: &TestEngine) -> i64 {
    test.query("select count(*) from signal where taken_at is null").await
}

#[tokio::test]
async fn a_parked_step_has_a_timer_and_no_job() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    assert!(is_waiting(&test, run).await);
    assert_eq!(test.query::<i64>("select count(*) from job").await, 0);
    assert_eq!(test.query::<String>("select ended_as from attempt_log").await, "parked");
    assert_eq!(test.engine.wake_due(100).await.unwrap(), 0, "its time has not come");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn the_clock_wakes_a_run_once_when_its_time_has_come() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    advance(test.pool(), Duration::from_secs(299)).await;
    assert_eq!(test.engine.wake_due(100).await.unwrap(), 0);
    advance(test.pool(), Duration::from_secs(2)).await;
    let woken = try_join_all((0..4).map(|_| test.engine.wake_due(100))).await.unwrap();
    assert_eq!(woken.iter().sum::<usize>(), 1, "{woken:?}");
    assert_woken(&test, run, "woken").await;
}

#[tokio::test]
async fn news_wake_the_run_that_waits_for_them() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    assert!(test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap());
    assert_eq!(untaken(&test).await, 0);
    assert_woken(&test, run, "signalled").await;
}

#[tokio::test]
async fn a_delivery_that_comes_ten_times_is_one_row_and_one_wake() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    let delivery = news(run, Topic::Checks, "d1");
    let heard = try_join_all((0..10).map(|_| test.engine.receive_signal(&delivery))).await.unwrap();
    assert_eq!(heard.iter().filter(|new| **new).count(), 1, "{heard:?}");
    assert_eq!(signal::of_run(test.pool(), run).await.unwrap().len(), 1);
    assert_woken(&test, run, "signalled").await;
}

#[tokio::test]
async fn news_find_their_run_by_the_pull_request_too() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    test.execute("update run set pull = 7, state = jsonb_set(state, '{progress,pull}', '7')").await;
    let by_pull =
        |pull| News { branch: None, pull: Some(pull), ..news(run, Topic::Reviews, &format!("p{pull}")) };
    test.engine.receive_signal(&by_pull(8)).await.unwrap();
    assert!(is_waiting(&test, run).await);
    test.engine.receive_signal(&by_pull(7)).await.unwrap();
    assert!(!is_waiting(&test, run).await);
}

#[tokio::test]
async fn news_about_something_else_are_kept_and_wake_nobody() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    let topic = news(run, Topic::Push, "another topic");
    let branch = news(Uuid::now_v7(), Topic::Checks, "another branch");
    let repository =
        News { repository: "acme/other".to_owned(), ..news(run, Topic::Checks, "another repository") };
    let nameless = News { branch: None, ..news(run, Topic::Checks, "no branch and no pull request") };
    for other in [&topic, &branch, &repository, &nameless] {
        assert!(test.engine.receive_signal(other).await.unwrap());
    }
    assert_eq!(untaken(&test).await, 4);
    assert_eq!(signal::of_run(test.pool(), run).await.unwrap().len(), 1, "only the first is for this run");
    assert!(is_waiting(&test, run).await);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn news_for_a_run_that_is_over_change_nothing_in_it() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "tester", answer(Closed)).await.unwrap();
    assert!(test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap());
    assert_eq!(test.event_kinds(run).await, ["started", "answered"]);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn news_that_come_while_the_step_looks_end_its_wait_before_it_begins() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap();
    assert_eq!(untaken(&test).await, 1);
    park(&test, &lease).await;
    assert_eq!(untaken(&test).await, 0);
    assert_woken(&test, run, "signalled").await;
    // The same news do not end the next wait.
    let lease = test.claim(Queue::Llm).await;
    park(&test, &lease).await;
    assert!(is_waiting(&test, run).await);
}

#[tokio::test]
async fn news_that_came_before_the_step_looked_do_not_end_its_wait() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap();
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(untaken(&test).await, 0);
    park(&test, &lease).await;
    assert!(is_waiting(&test, run).await);
}

#[tokio::test]
async fn news_about_something_else_do_not_end_a_wait_before_it_begins() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.receive_signal(&news(run, Topic::Push, "d1")).await.unwrap();
    park(&test, &lease).await;
    assert!(is_waiting(&test, run).await);
    assert_eq!(untaken(&test).await, 1);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn two_news_at_once_for_one_run_neither_deadlock_nor_wake_it_twice() {
    let test = TestEngine::new().await;
    let mut runs = Vec::new();
    for _ in 0..50 {
        runs.push(waiting(&test).await);
    }
    let pairs = runs.iter().flat_map(|run| {
        [news(*run, Topic::Checks, &format!("{run} a")), news(*run, Topic::Reviews, &format!("{run} b"))]
    });
    let heard = pairs.map(|one| {
        let engine = test.engine.clone();
        tokio::spawn(async move { engine.receive_signal(&one).await })
    });
    for heard in try_join_all(heard).await.unwrap() {
        assert!(heard.unwrap());
    }
    assert_eq!(test.query::<i64>("select count(*) from event where kind = 'signalled'").await, 50);
    assert_eq!(untaken(&test).await, 50, "the second of each pair is for the attempt that follows");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn news_and_the_clock_at_once_wake_a_run_once() {
    let test = TestEngine::new().await;
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(waiting(&test).await);
    }
    advance(test.pool(), Duration::from_secs(301)).await;
    let engine = test.engine.clone();
    let clock = tokio::spawn(async move { engine.wake_due(100).await });
    try_join_all(
        runs.iter()
            .map(async |run| test.engine.receive_signal(&news(*run, Topic::Checks, &run.to_string())).await),
    )
    .await
    .unwrap();
    clock.await.unwrap().unwrap();
    let woken = "select count(*) from event where kind in ('signalled', 'woken')";
    assert_eq!(test.query::<i64>(woken).await, 20);
    assert_sound(&test.engine).await;
}

/// The lost wake-up: whichever of the two is first, the run must not sleep over its news.
#[tokio::test]
async fn no_run_sleeps_over_news_that_come_while_it_parks() {
    let test = TestEngine::new().await;
    for _ in 0..40 {
        let run = test.accept().await;
        let lease = test.claim(Queue::Llm).await;
        let (heard, ()) = tokio::join!(
            async { test.engine.receive_signal(&news(run, Topic::Checks, &run.to_string())).await },
            park(&test, &lease)
        );
        assert!(heard.unwrap());
        assert!(!is_waiting(&test, run).await, "it sleeps over its news");
        let lease = test.claim(Queue::Llm).await;
        test.engine.answer(&lease, "tester", answer(Opened)).await.unwrap();
    }
    assert_sound(&test.engine).await;
}
