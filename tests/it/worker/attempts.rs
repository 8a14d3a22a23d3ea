//! What an activity says and what comes of it.

use std::time::Duration;

use aspora::{
    activities::{Failure, Reply},
    core::{
        run::{Event, Park, Progress, Topic},
        workflow::Queue,
    },
    store::event,
};
use chrono::TimeDelta;

use super::{
    crew::{Latch, Tally, config, only_first_step, onwards, work},
    support::{Ground, advance, assert_sound, eventually, news, skip_waits},
};

/// Lets no wait last, and looks until the run is over.
async fn ended(ground: &Ground, run: uuid::Uuid) -> String {
    eventually("the run ends", async || {
        skip_waits(ground.pool()).await;
        ground.run(run).await.run.step().is_none()
    })
    .await;
    assert_sound(&ground.engine).await;
    ground.ask(&format!("select state->'state'->>'name' from run where id = '{run}'")).await
}

/// The errors of the failed attempts of a run.
async fn errors(ground: &Ground, run: uuid::Uuid) -> Vec<String> {
    let events = event::after(ground.pool(), run, 0, 1000).await.unwrap();
    let error = |row: event::Row| match row.body.0 {
        Event::Failed { error, .. } | Event::Exhausted { error, .. } => Some(error),
        _ => None,
    };
    events.into_iter().filter_map(error).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_all_the_way_by_the_answers_of_its_activities() {
    let ground = Ground::new().await;
    let run = ground.accept().await;
    let worker = work(&ground.engine, config("one"), async |task| Ok(onwards(&task))).await;
    assert_eq!(ended(&ground, run).await, "done");
    let steps = "select string_agg(step, ' ' order by turn) from attempt_log where worker = 'one'";
    assert_eq!(ground.ask::<String>(steps).await, "generate gate review verdict merge");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_step_is_performed_again_when_its_news_come() {
    let ground = Ground::new().await;
    let (run, looked) = (ground.accept().await, Tally::default());
    let counted = looked.clone();
    let worker = work(&ground.engine, config("one"), move |task| {
        let first = counted.add() == 1;
        async move {
            let until = task.stored.now + TimeDelta::hours(1);
            let park = Park { reason: "checks".to_owned(), topics: vec![Topic::Checks], until };
            Ok(if first { Reply::Park(park, Progress::default()) } else { onwards(&task) })
        }
    })
    .await;
    eventually("the run waits", async || ground.kinds(run).await.len() == 2).await;
    assert_eq!(looked.count(), 1);
    ground.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap();
    assert_eq!(ended(&ground, run).await, "done");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_help_is_tried_again_and_a_panic_is_such_a_failure() {
    let ground = Ground::new().await;
    let (run, tries) = (ground.accept().await, Tally::default());
    let worker = work(&ground.engine, config("one"), move |task| {
        let attempt = tries.add();
        assert!(attempt != 3, "before the first await");
        async move {
            match attempt {
                1 => Err(Failure::Retry { error: "away".to_owned(), after: Some(Duration::from_secs(900)) }),
                2 => panic!("within the attempt"),
                _ => Ok(onwards(&task)),
            }
        }
    })
    .await;
    assert_eq!(ended(&ground, run).await, "done");
    let panicked = |words: &str| format!("the activity panicked: {words}");
    let expected = ["away".to_owned(), panicked("within the attempt"), panicked("before the first await")];
    assert_eq!(errors(&ground, run).await, expected);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_mended_ends_with_a_person_at_once() {
    let ground = Ground::new().await;
    let run = ground.accept().await;
    let worker = work(&ground.engine, config("one"), async |_| {
        Err(Failure::Final { error: "no such repository".to_owned() })
    })
    .await;
    assert_eq!(ended(&ground, run).await, "needs_human");
    assert_eq!(errors(&ground, run).await, ["no such repository"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_takes_too_long_is_broken_off_and_has_failed() {
    let ground = Ground::new().await;
    let (run, latch, tries) = (ground.accept().await, Latch::new(), Tally::default());
    ground.follow(run, "timeout = \"20m\"", "timeout = \"1s\"").await;
    let held = latch.clone();
    let worker = work(&ground.engine, config("one"), move |task| {
        let (held, first) = (held.clone(), tries.add() == 1);
        async move {
            if first {
                held.hold().await;
            }
            Ok(onwards(&task))
        }
    })
    .await;
    assert_eq!(ended(&ground, run).await, "done");
    assert_eq!(errors(&ground, run).await, ["took longer than 1 s"]);
    assert_eq!(latch.over.count(), 1, "the attempt was not broken off");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_lost_its_lease_says_nothing() {
    let ground = Ground::new().await;
    let (run, tries) = (ground.accept().await, Tally::default());
    let counted = tries.clone();
    let worker = work(&ground.engine, config("one"), move |task| {
        let first = counted.add() == 1;
        async move { if first { Err(Failure::LeaseLost) } else { Ok(onwards(&task)) } }
    })
    .await;
    tries.comes_to(1, "the job is tried").await;
    eventually("the slot is free", async || {
        ground.ask::<i64>("select count(*) from job where attempts = 1").await == 1
    })
    .await;
    assert_eq!(ground.kinds(run).await, ["started"]);
    advance(ground.pool(), Duration::from_secs(60)).await;
    assert_eq!(ended(&ground, run).await, "done");
    let first = "select ended_as from attempt_log where turn = 1 and attempt = 1";
    assert_eq!(ground.ask::<String>(first).await, "lost");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_every_worker_died_of_is_buried_without_another_attempt() {
    let ground = Ground::new().await;
    let (run, tries) = (ground.accept().await, Tally::default());
    for _ in 0..5 {
        ground.claim(Queue::Llm).await;
        advance(ground.pool(), Ground::LEASE).await;
    }
    let counted = tries.clone();
    let worker = work(&ground.engine, config("one"), move |task| {
        counted.add();
        async move { Ok(onwards(&task)) }
    })
    .await;
    assert_eq!(ended(&ground, run).await, "needs_human");
    assert_eq!(errors(&ground, run).await, ["every attempt ended with its worker"]);
    assert_eq!(tries.count(), 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_this_release_cannot_follow_is_stranded_however_often_it_was_tried() {
    let ground = Ground::new().await;
    let (spent, fresh) = (ground.accept().await, ground.accept().await);
    for run in [spent, fresh] {
        ground.follow(run, "run     = \"merge\"", "run     = \"deploy\"").await;
    }
    ground.execute(&format!("update job set attempts = max_attempts where run_id = '{spent}'")).await;
    let worker = work(&ground.engine, config("one"), async |task| Ok(onwards(&task))).await;
    for run in [spent, fresh] {
        assert_eq!(ended(&ground, run).await, "stranded");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_does_as_many_jobs_at_once_as_it_has_slots() {
    let ground = Ground::new().await;
    for _ in 0..6 {
        ground.accept().await;
    }
    let (latch, running, most) = (Latch::new(), Tally::default(), Tally::default());
    let (held, now, over) = (latch.clone(), running.clone(), most.clone());
    let worker = work(&ground.engine, only_first_step(config("one"), 2), move |task| {
        let (held, now, over) = (held.clone(), now.clone(), over.clone());
        async move {
            if now.add() - held.over.count() > 2 {
                over.add();
            }
            held.hold().await;
            Ok(onwards(&task))
        }
    })
    .await;
    for done in [2, 4, 6] {
        latch.begun.comes_to(done, "both slots are used").await;
        let held = "select count(*) from job where lease_token is not null";
        assert_eq!(ground.ask::<i64>(held).await, 2, "jobs without a slot were claimed");
        latch.let_go(2);
    }
    eventually("all are done", async || {
        ground.ask::<i64>("select count(*) from event where kind = 'answered'").await == 6
    })
    .await;
    assert_eq!(most.count(), 0, "more than two were performed at once");
    worker.stop().await;
}
