//! The ends of an attempt, and what is recorded of each.

use std::time::Duration;

use aspora::{
    activities::{Failure, Origin, Reply},
    core::{
        run::{Event, Park, Progress, Topic},
        workflow::Queue,
    },
    store::event,
};
use chrono::TimeDelta;

use super::{
    harness::{Counter, Latch, config, happy_reply, only_first_step, work},
    support::{TestEngine, advance, assert_sound, eventually, news, skip_waits},
};

/// Skips all waits until the run has ended.
async fn ended(test: &TestEngine, run: uuid::Uuid) -> String {
    eventually("the run ends", async || {
        skip_waits(test.pool()).await;
        test.run(run).await.run.step().is_none()
    })
    .await;
    assert_sound(&test.engine).await;
    test.query(&format!("select state->'state'->>'name' from run where id = '{run}'")).await
}

/// The errors of the failed attempts of a run.
async fn errors(test: &TestEngine, run: uuid::Uuid) -> Vec<String> {
    let events = event::after(test.pool(), run, 0, 1000).await.unwrap();
    let error = |row: event::Row| match row.body.0 {
        Event::Failed { error, .. } | Event::Exhausted { error, .. } => Some(error),
        _ => None,
    };
    events.into_iter().filter_map(error).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_reaches_its_end_by_the_answers_of_its_activities() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let worker = work(&test.engine, config("one"), async |task| Ok(happy_reply(&task))).await;
    assert_eq!(ended(&test, run).await, "done");
    let steps = "select string_agg(step, ' ' order by turn) from attempt_log where worker = 'one'";
    assert_eq!(test.query::<String>(steps).await, "generate gate review verdict merge");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_step_runs_again_when_its_signal_arrives() {
    let test = TestEngine::new().await;
    let (run, looked) = (test.accept().await, Counter::default());
    let counted = looked.clone();
    let worker = work(&test.engine, config("one"), move |task| {
        let first = counted.add() == 1;
        async move {
            let until = task.stored.now + TimeDelta::hours(1);
            let park = Park::new("checks", vec![Topic::Checks], until);
            Ok(if first { Reply::Park(park, Progress::default()) } else { happy_reply(&task) })
        }
    })
    .await;
    eventually("the run waits", async || test.event_kinds(run).await.len() == 2).await;
    assert_eq!(looked.count(), 1);
    test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap();
    assert_eq!(ended(&test, run).await, "done");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_retried_and_a_panic_is_a_failure() {
    let test = TestEngine::new().await;
    let (run, tries) = (test.accept().await, Counter::default());
    let worker = work(&test.engine, config("one"), move |task| {
        let attempt = tries.add();
        assert!(attempt != 3, "before the first await");
        async move {
            match attempt {
                1 => Err(Failure::Retry {
                    error: "away".to_owned(),
                    after: Some(Duration::from_secs(900)),
                    origin: Origin::Elsewhere,
                }),
                2 => panic!("within the attempt"),
                _ => Ok(happy_reply(&task)),
            }
        }
    })
    .await;
    assert_eq!(ended(&test, run).await, "done");
    let panicked = |message: &str| format!("the activity panicked: {message}");
    let expected = ["away".to_owned(), panicked("within the attempt"), panicked("before the first await")];
    assert_eq!(errors(&test, run).await, expected);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_failure_goes_to_a_person_at_once() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let worker = work(&test.engine, config("one"), async |_| {
        Err(Failure::Final { error: "no such repository".to_owned(), origin: Origin::Forge })
    })
    .await;
    assert_eq!(ended(&test, run).await, "needs_human");
    assert_eq!(errors(&test, run).await, ["no such repository"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_takes_too_long_is_cancelled_and_has_failed() {
    let test = TestEngine::new().await;
    let (run, latch, tries) = (test.accept().await, Latch::new(), Counter::default());
    test.edit_workflow(run, "timeout = \"20m\"", "timeout = \"1s\"").await;
    let held = latch.clone();
    let worker = work(&test.engine, config("one"), move |task| {
        let (held, first) = (held.clone(), tries.add() == 1);
        async move {
            if first {
                held.wait().await;
            }
            Ok(happy_reply(&task))
        }
    })
    .await;
    assert_eq!(ended(&test, run).await, "done");
    assert_eq!(errors(&test, run).await, ["took longer than 1 s"]);
    assert_eq!(latch.ended.count(), 1, "the attempt was not cancelled");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_lost_its_lease_records_nothing() {
    let test = TestEngine::new().await;
    let (run, tries) = (test.accept().await, Counter::default());
    let counted = tries.clone();
    let worker = work(&test.engine, config("one"), move |task| {
        let first = counted.add() == 1;
        async move { if first { Err(Failure::LeaseLost) } else { Ok(happy_reply(&task)) } }
    })
    .await;
    tries.reaches(1, "the job is tried").await;
    eventually("the slot is free", async || {
        test.query::<i64>("select count(*) from job where attempts = 1").await == 1
    })
    .await;
    assert_eq!(test.event_kinds(run).await, ["started"]);
    advance(test.pool(), Duration::from_secs(60)).await;
    assert_eq!(ended(&test, run).await, "done");
    let first = "select ended_as from attempt_log where turn = 1 and attempt = 1";
    assert_eq!(test.query::<String>(first).await, "lost");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_attempts_were_all_lost_is_a_dead_letter_without_another_attempt() {
    let test = TestEngine::new().await;
    let (run, tries) = (test.accept().await, Counter::default());
    for _ in 0..5 {
        test.claim(Queue::Llm).await;
        advance(test.pool(), TestEngine::LEASE).await;
    }
    let counted = tries.clone();
    let worker = work(&test.engine, config("one"), move |task| {
        counted.add();
        async move { Ok(happy_reply(&task)) }
    })
    .await;
    assert_eq!(ended(&test, run).await, "needs_human");
    assert_eq!(errors(&test, run).await, ["every attempt ended with its worker"]);
    assert_eq!(tries.count(), 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_an_unsupported_graph_is_blocked_however_often_it_was_tried() {
    let test = TestEngine::new().await;
    let (spent, fresh) = (test.accept().await, test.accept().await);
    for run in [spent, fresh] {
        test.edit_workflow(run, "run     = \"merge\"", "run     = \"deploy\"").await;
    }
    test.execute(&format!("update job set attempts = max_attempts where run_id = '{spent}'")).await;
    let worker = work(&test.engine, config("one"), async |task| Ok(happy_reply(&task))).await;
    for run in [spent, fresh] {
        assert_eq!(ended(&test, run).await, "stranded");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_does_as_many_jobs_at_once_as_it_has_slots() {
    let test = TestEngine::new().await;
    for _ in 0..6 {
        test.accept().await;
    }
    let (latch, running, most) = (Latch::new(), Counter::default(), Counter::default());
    let (held, now, over) = (latch.clone(), running.clone(), most.clone());
    let worker = work(&test.engine, only_first_step(config("one"), 2), move |task| {
        let (held, now, over) = (held.clone(), now.clone(), over.clone());
        async move {
            if now.add() - held.ended.count() > 2 {
                over.add();
            }
            held.wait().await;
            Ok(happy_reply(&task))
        }
    })
    .await;
    for done in [2, 4, 6] {
        latch.started.reaches(done, "both slots are used").await;
        let held = "select count(*) from job where lease_token is not null";
        assert_eq!(test.query::<i64>(held).await, 2, "jobs without a slot were claimed");
        latch.release(2);
    }
    eventually("all are done", async || {
        test.query::<i64>("select count(*) from event where kind = 'answered'").await == 6
    })
    .await;
    assert_eq!(most.count(), 0, "more than two were performed at once");
    worker.stop().await;
}
