//! Waiting runs: what wakes them, once, and that no signal is lost while a step parks.

use std::time::Duration;

use aspora::{
    core::{
        run::{Park, Progress, State, Topic},
        workflow::{Outcome::Closed, Outcome::Opened, Queue},
    },
    engine::{Ack, Received},
    store::{self, job::Lease, signal, signal::News},
};
use chrono::TimeDelta;
use futures::future::try_join_all;
use uuid::Uuid;

use super::support::{TestEngine, advance, answer, assert_sound, news};

async fn park(test: &TestEngine, lease: &Lease) {
    let until = test.run(lease.run).await.now + TimeDelta::minutes(5);
    let park = Park::new("checks and a review", vec![Topic::Reviews, Topic::Checks], until);
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
    assert_eq!(test.engine.wake_due(100).await.unwrap(), 0, "its timer is not due");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_due_timer_wakes_its_run_once() {
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
async fn a_signal_wakes_the_run_that_waits_for_it() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    assert_eq!(
        test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap(),
        Received::Stored { runs: 1 }
    );
    assert_eq!(untaken(&test).await, 0);
    assert_woken(&test, run, "signalled").await;
}

#[tokio::test]
async fn ten_equal_deliveries_are_one_row_and_one_wake() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    let delivery = news(run, Topic::Checks, "d1");
    let received = try_join_all((0..10).map(|_| test.engine.receive_signal(&delivery))).await.unwrap();
    assert_eq!(received.iter().filter(|it| **it == Received::Stored { runs: 1 }).count(), 1, "{received:?}");
    assert_eq!(signal::of_run(test.pool(), run).await.unwrap().len(), 1);
    assert_woken(&test, run, "signalled").await;
}

#[tokio::test]
async fn a_signal_finds_its_run_by_pull_request_too() {
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
async fn a_repository_is_known_by_its_number_and_in_any_letter_case() {
    let test = TestEngine::new().await;
    store::repository::identify(test.pool(), &"wealth".parse().unwrap(), 5).await.unwrap();
    let about = |name: &str, repository_id, delivery: &str, run| {
        let repository = name.to_owned();
        News { repository, repository_id, ..news(run, Topic::Checks, delivery) }
    };
    for (name, number, wakes) in [
        ("Acme/Wealth-Product", None, true),
        ("Acme/Wealth-Product", Some(5), true),
        ("acme/renamed", Some(5), true),
        ("acme/renamed", None, false),
        ("acme/wealth-product", Some(6), false),
    ] {
        let run = waiting(&test).await;
        let news = about(name, number, &format!("{name} {number:?}"), run);
        let received = test.engine.receive_signal(&news).await.unwrap();
        let expected = if wakes { Received::Stored { runs: 1 } } else { Received::Foreign };
        assert_eq!((received, is_waiting(&test, run).await), (expected, !wakes), "{name} {number:?}");
        test.execute("delete from job").await;
    }
}

#[tokio::test]
async fn a_repository_that_gets_another_name_takes_its_runs_and_their_signals_along() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    test.engine.receive_signal(&news(run, Topic::Push, "before")).await.unwrap();
    let settle =
        async |id, name: &str| test.engine.settle_repository(id, &name.parse().unwrap()).await.unwrap();
    assert_eq!(settle(5, "acme/Wealth-Product").await, Vec::<String>::new(), "its number is learnt");
    assert_eq!(settle(6, "acme/elsewhere").await, Vec::<String>::new(), "another repository");
    assert_eq!(test.run(run).await.spec.repository, "acme/wealth-product");
    assert_eq!(settle(5, "acme/elsewhere").await, ["acme/wealth-product"]);
    assert_eq!(test.run(run).await.spec.repository, "acme/elsewhere");
    let product = store::product::get(test.pool(), "wealth").await.unwrap().unwrap();
    assert_eq!(product.repository, "acme/elsewhere");
    assert_eq!(test.query::<String>("select repository from signal").await, "acme/elsewhere");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn news_of_a_whole_repository_wakes_all_of_its_runs() {
    let test = TestEngine::new().await;
    let runs = [waiting(&test).await, waiting(&test).await];
    let news = News { whole: true, branch: None, ..news(runs[0], Topic::Reviews, "d1") };
    assert_eq!(test.engine.receive_signal(&news).await.unwrap(), Received::Stored { runs: 2 });
    for run in runs {
        assert!(!is_waiting(&test, run).await);
    }
}

#[tokio::test]
async fn signals_about_something_else_wake_no_run() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    let topic = news(run, Topic::Push, "another topic");
    let branch = news(Uuid::now_v7(), Topic::Checks, "another branch");
    let repository =
        News { repository: "acme/other".to_owned(), ..news(run, Topic::Checks, "another repository") };
    let nameless = News { branch: None, ..news(run, Topic::Checks, "no branch and no pull request") };
    for (other, received) in [
        (&topic, Received::Stored { runs: 1 }),
        (&branch, Received::Stored { runs: 0 }),
        (&repository, Received::Foreign),
        (&nameless, Received::Stored { runs: 0 }),
    ] {
        assert_eq!(test.engine.receive_signal(other).await.unwrap(), received, "{other:?}");
    }
    assert_eq!(untaken(&test).await, 3);
    assert_eq!(signal::of_run(test.pool(), run).await.unwrap().len(), 1, "only the first is for this run");
    assert!(is_waiting(&test, run).await);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_signal_for_an_ended_run_changes_nothing_in_it() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "tester", answer(Closed)).await.unwrap();
    let received = test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap();
    assert_eq!(received, Received::Stored { runs: 0 });
    assert_eq!(test.event_kinds(run).await, ["started", "answered"]);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_signal_during_the_attempt_ends_the_wait_before_it_begins() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap();
    assert_eq!(untaken(&test).await, 1);
    park(&test, &lease).await;
    assert_eq!(untaken(&test).await, 0);
    assert_woken(&test, run, "signalled").await;
    // The same signal does not end the next wait.
    let lease = test.claim(Queue::Llm).await;
    park(&test, &lease).await;
    assert!(is_waiting(&test, run).await);
}

#[tokio::test]
async fn a_signal_before_the_attempt_does_not_end_the_wait() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap();
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(untaken(&test).await, 0);
    park(&test, &lease).await;
    assert!(is_waiting(&test, run).await);
}

#[tokio::test]
async fn a_signal_of_another_topic_does_not_end_a_wait_before_it_begins() {
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
async fn two_signals_at_once_for_one_run_neither_deadlock_nor_wake_it_twice() {
    let test = TestEngine::new().await;
    let mut runs = Vec::new();
    for _ in 0..50 {
        runs.push(waiting(&test).await);
    }
    let pairs = runs.iter().flat_map(|run| {
        [news(*run, Topic::Checks, &format!("{run} a")), news(*run, Topic::Reviews, &format!("{run} b"))]
    });
    let received = pairs.map(|one| {
        let engine = test.engine.clone();
        tokio::spawn(async move { engine.receive_signal(&one).await })
    });
    for received in try_join_all(received).await.unwrap() {
        assert_eq!(received.unwrap(), Received::Stored { runs: 1 });
    }
    assert_eq!(test.query::<i64>("select count(*) from event where kind = 'signalled'").await, 50);
    assert_eq!(untaken(&test).await, 50, "the second of each pair is for the attempt that follows");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_signal_and_a_timer_at_once_wake_a_run_once() {
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

/// The lost wake-up: whichever of the two comes first, the run must not wait.
#[tokio::test]
async fn no_run_misses_a_signal_that_comes_while_it_parks() {
    let test = TestEngine::new().await;
    for _ in 0..40 {
        let run = test.accept().await;
        let lease = test.claim(Queue::Llm).await;
        let (received, ()) = tokio::join!(
            async { test.engine.receive_signal(&news(run, Topic::Checks, &run.to_string())).await },
            park(&test, &lease)
        );
        assert_eq!(received.unwrap(), Received::Stored { runs: 1 });
        assert!(!is_waiting(&test, run).await, "the signal was missed");
        let lease = test.claim(Queue::Llm).await;
        test.engine.answer(&lease, "tester", answer(Opened)).await.unwrap();
    }
    assert_sound(&test.engine).await;
}
