//! A handler whose lease is lost is cancelled, and what it brings does not count.

use std::time::Duration;

use aspora::{
    core::workflow::{Outcome::Opened, Queue},
    engine::Ack,
    queue::Timing,
    store::job::Lease,
    worker::Config,
};
use uuid::Uuid;

use super::{
    harness::{Latch, config, only_first_step, work},
    support::{TestEngine, advance, answer, assert_sound, eventually},
};

/// One slot for the first step, and leases that are renewed every second.
fn quick(slots: usize) -> Config {
    let timing = Timing { lease: Duration::from_secs(3), poll: Duration::from_millis(50) };
    only_first_step(Config { timing, ..config("victim") }, slots)
}

/// Takes the job of the only run away from whoever holds it.
async fn steal(test: &TestEngine) -> Lease {
    let token = Uuid::new_v4();
    let set = format!("update job set lease_token = '{token}', visible_at = now() + interval '1 hour'");
    test.execute(&set).await;
    let (job, run) = (test.query("select id from job").await, test.query("select run_id from job").await);
    let lasts = Duration::from_secs(3600);
    Lease {
        job,
        token,
        run,
        queue: Queue::Llm,
        step: "generate".to_owned(),
        turn: 1,
        attempt: 1,
        most: 5,
        lost: 0,
        keys: vec![],
        guarded: false,
        began_at: test.query("select now()").await,
        lasts,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_whose_lease_is_stolen_is_cancelled() {
    let test = TestEngine::new().await;
    test.accept().await;
    let latch = Latch::new();
    let worker = work(&test.engine, quick(1), latch.handler()).await;
    latch.started.reaches(1, "the job is begun").await;
    let thief = steal(&test).await;
    latch.ended.reaches(1, "the handler is cancelled").await;
    assert_eq!(test.engine.answer(&thief, "thief", answer(Opened)).await.unwrap(), Ack::Committed);
    worker.stop().await;
    assert_sound(&test.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_a_handler_whose_lease_was_stolen_is_refused() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let latch = Latch::new();
    // Its leases are renewed so seldom that it does not notice.
    let worker = work(&test.engine, only_first_step(config("victim"), 1), latch.handler()).await;
    latch.started.reaches(1, "the job is begun").await;
    let thief = steal(&test).await;
    let before = test.snapshot().await;
    latch.release(1);
    worker.stop().await;
    assert_eq!(test.snapshot().await, before, "the victim has changed something");
    assert_eq!(test.engine.answer(&thief, "thief", answer(Opened)).await.unwrap(), Ack::Committed);
    assert_eq!(test.event_kinds(run).await, ["started", "answered"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_kept_for_as_long_as_its_handler_needs() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let latch = Latch::new();
    let worker = work(&test.engine, quick(2), latch.handler()).await;
    latch.started.reaches(1, "the job is begun").await;
    let renewed = "select visible_at > created_at + interval '8 seconds' from job";
    eventually("it was renewed twice", async || test.query::<bool>(renewed).await).await;
    latch.release(1);
    eventually("it has answered", async || test.event_kinds(run).await == ["started", "answered"]).await;
    assert_eq!(latch.started.count(), 1, "it was done twice");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_a_lease_is_kept_while_every_connection_of_the_pool_is_taken() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let pool = aspora::store::connect(&test.database.url, 2).await.unwrap();
    let engine = aspora::engine::Engine::open(pool.clone()).await.unwrap();
    let latch = Latch::new();
    let worker = work(&engine, quick(1), latch.handler()).await;
    latch.started.reaches(1, "the job is begun").await;
    // All but the one by which the worker listens.
    let mut taken = Vec::new();
    while let Ok(line) = pool.acquire().await {
        taken.push(line);
    }
    assert!(!taken.is_empty());
    let renewed = "select visible_at > began_at + interval '15 seconds' from job";
    eventually("it is renewed all the while", async || test.query::<bool>(renewed).await).await;
    drop(taken);
    latch.release(1);
    eventually("it has answered", async || test.event_kinds(run).await == ["started", "answered"]).await;
    assert_eq!(latch.started.count(), 1, "it was done twice");
    worker.stop().await;
    assert_sound(&test.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_cancelled_though_its_own_process_claimed_the_job_again() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let latch = Latch::new();
    let worker = work(&test.engine, quick(2), latch.handler()).await;
    latch.started.reaches(1, "the job is begun").await;
    eventually("the process claims it again", async || {
        advance(test.pool(), Duration::from_secs(3)).await;
        latch.started.count() >= 2
    })
    .await;
    eventually("only the newest handler is left", async || latch.started.count() == latch.ended.count() + 1)
        .await;
    latch.release(1);
    eventually("it has answered", async || test.event_kinds(run).await == ["started", "answered"]).await;
    worker.stop().await;
    assert_sound(&test.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_cancelled_when_a_hanging_database_keeps_its_lease_from_being_renewed() {
    let test = TestEngine::new().await;
    test.accept().await;
    let latch = Latch::new();
    let worker = work(&test.engine, quick(1), latch.handler()).await;
    latch.started.reaches(1, "the job is begun").await;
    let mut tx = test.pool().begin().await.unwrap();
    sqlx::query("select 1 from job for update").execute(&mut *tx).await.unwrap();
    latch.ended.reaches(1, "the handler is cancelled").await;
    tx.rollback().await.unwrap();
    latch.release(1);
    worker.stop().await;
    assert!(test.claim_all(Queue::Github, 10).await.len() <= 1);
    assert_sound(&test.engine).await;
}
