//! Attempts that come to nothing: when they are tried again, how often, and what follows at the limit.

use std::time::Duration;

use aspora::{
    core::{
        run::{Park, Progress, State, Topic},
        workflow::{End, Queue},
    },
    engine::Ack,
    store::{self, attempt},
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::support::{TestEngine, advance, assert_sound, news};

/// Fails the next attempt at `run` and tells when it will be tried again, as early and as late as that may be read.
async fn failed(test: &TestEngine, after: Option<Duration>) -> (TimeDelta, TimeDelta) {
    let lease = test.claim(Queue::Llm).await;
    let before: DateTime<Utc> = test.query("select clock_timestamp()").await;
    assert_eq!(test.engine.fail(&lease, "tester", "the model is away", after).await.unwrap(), Ack::Committed);
    let now: DateTime<Utc> = test.query("select clock_timestamp()").await;
    let sql = format!("select visible_at from job where run_id = '{}' and lease_token is null", lease.run);
    let due: DateTime<Utc> = test.query(&sql).await;
    let said = format!(
        "select max(body->>'retry_at')::timestamptz = (select visible_at from job where run_id = '{0}')
                        from event where run_id = '{0}' and body->>'attempt' = '{1}'",
        lease.run, lease.attempt
    );
    assert!(test.query::<bool>(&said).await, "the history names another moment than the job");
    (due - now, due - before)
}

#[tokio::test]
async fn the_wait_after_a_failure_is_drawn_below_a_ceiling_that_doubles() {
    let test = TestEngine::new().await;
    let mut drawn = Vec::new();
    for _ in 0..12 {
        test.accept().await;
        for ceiling in [2, 4] {
            let (least, most) = failed(&test, None).await;
            assert!(least <= TimeDelta::seconds(ceiling), "{least} is above {ceiling} s");
            assert!(most >= TimeDelta::zero(), "{most} has passed already");
            drawn.push(least);
            advance(test.pool(), Duration::from_secs(8)).await;
        }
        test.execute("update job set visible_at = 'infinity'").await;
    }
    assert!(drawn.iter().any(|wait| *wait > TimeDelta::seconds(1)), "{drawn:?} is not drawn");
    assert!(drawn.iter().any(|wait| *wait < TimeDelta::seconds(2)), "{drawn:?} is not drawn");
}

#[tokio::test]
async fn those_who_were_told_the_same_moment_do_not_come_back_at_once() {
    let test = TestEngine::new().await;
    let mut waits = Vec::new();
    for _ in 0..12 {
        test.accept().await;
        waits.push(failed(&test, Some(Duration::from_secs(40))).await.1.num_milliseconds());
    }
    let (first, last) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(last - first > 200, "{waits:?} is one moment");
}

#[tokio::test]
async fn the_wait_after_a_failure_obeys_the_other_side() {
    let test = TestEngine::new().await;
    test.accept().await;
    let (least, most) = failed(&test, Some(Duration::from_secs(40))).await;
    assert!(least <= TimeDelta::seconds(42) && most >= TimeDelta::seconds(40), "{least} to {most}");
    advance(test.pool(), Duration::from_secs(42)).await;
    let (least, most) = failed(&test, Some(Duration::from_secs(1))).await;
    assert!(least <= TimeDelta::seconds(4) && most >= TimeDelta::seconds(1), "{least} to {most}");
}

/// The attempts of a run as `number ended_as error`.
async fn attempts(test: &TestEngine, run: Uuid) -> Vec<String> {
    let rows = attempt::of_run(test.pool(), run).await.unwrap();
    let line = |row: attempt::Row| {
        format!("{} {} {}", row.attempt, row.ended_as.unwrap_or_default(), row.error.unwrap_or_default())
    };
    rows.into_iter().map(line).collect()
}

async fn assert_needs_human(test: &TestEngine, run: Uuid, why: &str) {
    let State::Ended { name, end, reason } = test.run(run).await.run.state else { panic!("it goes on") };
    assert_eq!((name.as_str(), end, reason.as_str()), ("needs_human", End::Blocked, why));
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn the_last_failed_attempt_is_a_dead_letter_and_a_person_is_asked() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    for attempt in 1..=5 {
        assert_eq!(test.query::<i64>("select count(*) from dead_letter").await, 0);
        let lease = test.claim(Queue::Llm).await;
        assert_eq!((lease.attempt, lease.is_spent()), (attempt, false));
        let error = format!("error {attempt}");
        assert_eq!(test.engine.fail(&lease, "tester", &error, None).await.unwrap(), Ack::Committed);
        advance(test.pool(), Duration::from_secs(600)).await;
    }
    assert_eq!(test.query::<String>("select attempts || ' ' || error from dead_letter").await, "5 error 5");
    let expected: Vec<_> = (1..=5).map(|n| format!("{n} failed error {n}")).collect();
    assert_eq!(attempts(&test, run).await, expected);
    assert_eq!(test.event_kinds(run).await, ["started", "failed", "failed", "failed", "failed", "exhausted"]);
    assert_needs_human(&test, run, "`generate` failed 5 times, last: error 5").await;
}

#[tokio::test]
async fn a_worker_that_dies_in_an_attempt_has_used_it_up() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    for attempt in 1..=5 {
        let lease = test.claim(Queue::Llm).await;
        assert_eq!((lease.attempt, lease.is_spent()), (attempt, false));
        advance(test.pool(), TestEngine::LEASE).await;
    }
    // Whoever finds it spent may die as well; the next one finds it spent again.
    for _ in 0..2 {
        assert!(test.claim(Queue::Llm).await.is_spent());
        advance(test.pool(), TestEngine::LEASE).await;
    }
    let lease = test.claim(Queue::Llm).await;
    assert!(lease.is_spent());
    assert_eq!(test.engine.exhaust(&lease, "tester", "all died").await.unwrap(), Ack::Committed);
    let expected: Vec<_> = (1..=5).map(|n| format!("{n} lost the worker stopped answering")).collect();
    assert_eq!(attempts(&test, run).await, expected);
    assert_eq!(test.query::<i32>("select attempts from dead_letter").await, 5);
    assert_needs_human(&test, run, "`generate` failed 5 times, last: all died").await;
}

#[tokio::test]
async fn failures_and_deaths_count_together() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    for attempt in 1..=5 {
        let lease = test.claim(Queue::Llm).await;
        if attempt % 2 == 1 {
            test.engine.fail(&lease, "tester", "e", None).await.unwrap();
        }
        advance(test.pool(), Duration::from_secs(600)).await;
    }
    assert!(test.claim_all(Queue::Llm, 10).await.is_empty());
    assert_needs_human(&test, run, "`generate` failed 5 times, last: e").await;
}

#[tokio::test]
async fn what_cannot_be_mended_is_not_tried_again() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(test.engine.exhaust(&lease, "tester", "no such repository").await.unwrap(), Ack::Committed);
    assert_eq!(attempts(&test, run).await, ["1 failed no such repository"]);
    assert_needs_human(&test, run, "`generate` failed: no such repository").await;
}

/// A run that waits for checks, with a graph that this release cannot read.
async fn waiting_and_unreadable(test: &TestEngine) -> Uuid {
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let until = test.run(run).await.now + TimeDelta::minutes(5);
    let park = Park { reason: "checks".to_owned(), topics: vec![Topic::Checks], until };
    test.engine.park(&lease, "tester", park, Progress::default()).await.unwrap();
    test.edit_workflow(run, "run     = \"merge\"", "run     = \"deploy\"").await;
    run
}

async fn assert_stranded(test: &TestEngine, run: Uuid) {
    let State::Ended { name, end, reason } = test.run(run).await.run.state else { panic!("it goes on") };
    assert_eq!((name.as_str(), end), ("stranded", End::Blocked));
    assert!(reason.contains("this release cannot follow workflow") && reason.contains("deploy"), "{reason}");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_run_whose_graph_has_an_unknown_activity_is_stranded_for_a_person() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    test.edit_workflow(run, "run     = \"merge\"", "run     = \"deploy\"").await;
    let lease = test.claim(Queue::Llm).await;
    let hash = test.run(run).await.spec.workflow_hash;
    let reason = test.engine.workflow(&hash).await.unwrap_err().to_string();
    assert_eq!(test.engine.block_unsupported(&lease, "tester", &reason).await.unwrap(), Ack::Committed);
    assert_eq!(attempts(&test, run).await, [format!("1 failed {reason}")]);
    assert_stranded(&test, run).await;
}

#[tokio::test]
async fn a_waiting_run_whose_graph_is_unreadable_does_not_stop_the_clock() {
    let test = TestEngine::new().await;
    let stranded = waiting_and_unreadable(&test).await;
    let behind = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let until = test.run(behind).await.now + TimeDelta::minutes(5);
    let park = Park { reason: "checks".to_owned(), topics: vec![], until };
    test.engine.park(&lease, "tester", park, Progress::default()).await.unwrap();
    advance(test.pool(), Duration::from_secs(600)).await;

    assert_eq!(test.engine.wake_due(100).await.unwrap(), 2);
    assert_eq!(test.claim(Queue::Llm).await.run, behind);
    assert_stranded(&test, stranded).await;
}

#[tokio::test]
async fn news_for_a_run_whose_graph_is_unreadable_are_taken() {
    let test = TestEngine::new().await;
    let run = waiting_and_unreadable(&test).await;
    assert!(test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap());
    assert_eq!(store::signal::of_run(test.pool(), run).await.unwrap().len(), 1);
    assert_stranded(&test, run).await;
}
