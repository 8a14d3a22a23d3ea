//! Failed attempts: when they are retried, how often, and what follows the last.

use std::time::Duration;

use aspora::{
    core::{
        run::{Park, Progress, State, Topic},
        workflow::{End, Queue},
    },
    engine::{Ack, Received},
    store::{self, attempt},
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::support::{TestEngine, advance, assert_sound, news};

/// Fails the next attempt and returns the delay before its retry, as a lower and an upper bound.
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
    assert!(test.query::<bool>(&said).await, "the event and the job disagree on the time");
    (due - now, due - before)
}

#[tokio::test]
async fn the_delay_after_a_failure_is_random_below_a_ceiling_that_doubles() {
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
    assert!(drawn.iter().any(|wait| *wait > TimeDelta::seconds(1)), "{drawn:?} is not random");
    assert!(drawn.iter().any(|wait| *wait < TimeDelta::seconds(2)), "{drawn:?} is not random");
}

#[tokio::test]
async fn retries_at_the_same_server_given_time_are_spread() {
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
async fn the_delay_after_a_failure_respects_the_server() {
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
    let State::Ended { name, end, reason } = test.run(run).await.run.state else {
        panic!("it has not ended")
    };
    assert_eq!((name.as_str(), end, reason.as_str()), ("needs_human", End::Blocked, why));
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn the_last_failed_attempt_makes_a_dead_letter_and_blocks_the_run() {
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
    // A worker that claims a job without attempts left may die as well; the next finds it the same.
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
async fn failures_and_lost_workers_count_together() {
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
async fn a_final_failure_is_not_retried() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(test.engine.exhaust(&lease, "tester", "no such repository").await.unwrap(), Ack::Committed);
    assert_eq!(attempts(&test, run).await, ["1 failed no such repository"]);
    assert_needs_human(&test, run, "`generate` failed: no such repository").await;
}

/// A run that waits for checks, with a workflow that this release cannot read.
async fn waiting_and_unreadable(test: &TestEngine) -> Uuid {
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let until = test.run(run).await.now + TimeDelta::minutes(5);
    let park = Park::new("checks", vec![Topic::Checks], until);
    test.engine.park(&lease, "tester", park, Progress::default()).await.unwrap();
    test.edit_workflow(run, "run     = \"merge\"", "run     = \"deploy\"").await;
    run
}

async fn assert_unsupported(test: &TestEngine, run: Uuid) {
    let State::Ended { name, end, reason } = test.run(run).await.run.state else {
        panic!("it has not ended")
    };
    assert_eq!((name.as_str(), end), ("stranded", End::Blocked));
    assert!(reason.contains("this release cannot follow workflow") && reason.contains("deploy"), "{reason}");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_run_whose_workflow_has_an_unknown_activity_is_blocked() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    test.edit_workflow(run, "run     = \"merge\"", "run     = \"deploy\"").await;
    let lease = test.claim(Queue::Llm).await;
    let hash = test.run(run).await.spec.workflow_hash;
    let reason = test.engine.workflow(&hash).await.unwrap_err().to_string();
    assert_eq!(test.engine.block_unsupported(&lease, "tester", &reason).await.unwrap(), Ack::Committed);
    assert_eq!(attempts(&test, run).await, [format!("1 failed {reason}")]);
    assert_unsupported(&test, run).await;
}

#[tokio::test]
async fn a_waiting_run_with_an_unreadable_workflow_does_not_stop_other_timers() {
    let test = TestEngine::new().await;
    let stranded = waiting_and_unreadable(&test).await;
    let behind = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let until = test.run(behind).await.now + TimeDelta::minutes(5);
    let park = Park::new("checks", vec![], until);
    test.engine.park(&lease, "tester", park, Progress::default()).await.unwrap();
    advance(test.pool(), Duration::from_secs(600)).await;

    assert_eq!(test.engine.wake_due(100).await.unwrap(), 2);
    assert_eq!(test.claim(Queue::Llm).await.run, behind);
    assert_unsupported(&test, stranded).await;
}

#[tokio::test]
async fn a_signal_for_a_run_with_an_unreadable_workflow_is_stored() {
    let test = TestEngine::new().await;
    let run = waiting_and_unreadable(&test).await;
    assert_eq!(
        test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap(),
        Received::Stored { runs: 1 }
    );
    assert_eq!(store::signal::of_run(test.pool(), run).await.unwrap().len(), 1);
    assert_unsupported(&test, run).await;
}
