//! A handler whose lease is lost is cancelled, and its answer does not count.

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
    crew::{Latch, config, only_first_step, work},
    support::{Ground, advance, answer, assert_sound, eventually},
};

/// One slot for the first step, and leases that are renewed every second.
fn quick(slots: usize) -> Config {
    let timing = Timing { lease: Duration::from_secs(3), poll: Duration::from_millis(50) };
    only_first_step(Config { timing, ..config("victim") }, slots)
}

/// Gives the job of the only run a lease of another worker.
async fn steal(ground: &Ground) -> Lease {
    let token = Uuid::new_v4();
    let set = format!("update job set lease_token = '{token}', visible_at = now() + interval '1 hour'");
    ground.execute(&set).await;
    let (job, run) = (ground.ask("select id from job").await, ground.ask("select run_id from job").await);
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
        began_at: ground.ask("select now()").await,
        lasts,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_whose_lease_is_stolen_is_cancelled() {
    let ground = Ground::new().await;
    ground.accept().await;
    let latch = Latch::new();
    let worker = work(&ground.engine, quick(1), latch.handler()).await;
    latch.begun.comes_to(1, "the job is begun").await;
    let thief = steal(&ground).await;
    latch.over.comes_to(1, "the handler is cancelled").await;
    assert_eq!(ground.engine.answer(&thief, "thief", answer(Opened)).await.unwrap(), Ack::Committed);
    worker.stop().await;
    assert_sound(&ground.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_a_handler_whose_lease_was_stolen_is_fenced() {
    let ground = Ground::new().await;
    let run = ground.accept().await;
    let latch = Latch::new();
    // Its leases are renewed so rarely that it does not notice.
    let worker = work(&ground.engine, only_first_step(config("victim"), 1), latch.handler()).await;
    latch.begun.comes_to(1, "the job is begun").await;
    let thief = steal(&ground).await;
    let before = ground.picture().await;
    latch.let_go(1);
    worker.stop().await;
    assert_eq!(ground.picture().await, before, "the late answer changed something");
    assert_eq!(ground.engine.answer(&thief, "thief", answer(Opened)).await.unwrap(), Ack::Committed);
    assert_eq!(ground.kinds(run).await, ["started", "answered"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_for_as_long_as_its_handler_runs() {
    let ground = Ground::new().await;
    let run = ground.accept().await;
    let latch = Latch::new();
    let worker = work(&ground.engine, quick(2), latch.handler()).await;
    latch.begun.comes_to(1, "the job is begun").await;
    let renewed = "select visible_at > created_at + interval '8 seconds' from job";
    eventually("it was renewed twice", async || ground.ask::<bool>(renewed).await).await;
    latch.let_go(1);
    eventually("it has answered", async || ground.kinds(run).await == ["started", "answered"]).await;
    assert_eq!(latch.begun.count(), 1, "it was done twice");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_a_lease_is_renewed_while_every_connection_of_the_pool_is_in_use() {
    let ground = Ground::new().await;
    let run = ground.accept().await;
    let pool = aspora::store::connect(&ground.database.url, 2).await.unwrap();
    let engine = aspora::engine::Engine::open(pool.clone()).await.unwrap();
    let latch = Latch::new();
    let worker = work(&engine, quick(1), latch.handler()).await;
    latch.begun.comes_to(1, "the job is begun").await;
    // All but the connection on which the worker listens.
    let mut taken = Vec::new();
    while let Ok(line) = pool.acquire().await {
        taken.push(line);
    }
    assert!(!taken.is_empty());
    let renewed = "select visible_at > began_at + interval '15 seconds' from job";
    eventually("it is still renewed", async || ground.ask::<bool>(renewed).await).await;
    drop(taken);
    latch.let_go(1);
    eventually("it has answered", async || ground.kinds(run).await == ["started", "answered"]).await;
    assert_eq!(latch.begun.count(), 1, "it was done twice");
    worker.stop().await;
    assert_sound(&ground.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_cancelled_though_its_own_process_claimed_the_job_again() {
    let ground = Ground::new().await;
    let run = ground.accept().await;
    let latch = Latch::new();
    let worker = work(&ground.engine, quick(2), latch.handler()).await;
    latch.begun.comes_to(1, "the job is begun").await;
    eventually("the process claims it again", async || {
        advance(ground.pool(), Duration::from_secs(3)).await;
        latch.begun.count() >= 2
    })
    .await;
    eventually("only the newest handler is left", async || latch.begun.count() == latch.over.count() + 1)
        .await;
    latch.let_go(1);
    eventually("it has answered", async || ground.kinds(run).await == ["started", "answered"]).await;
    worker.stop().await;
    assert_sound(&ground.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_cancelled_when_a_hanging_database_keeps_its_lease_from_being_renewed() {
    let ground = Ground::new().await;
    ground.accept().await;
    let latch = Latch::new();
    let worker = work(&ground.engine, quick(1), latch.handler()).await;
    latch.begun.comes_to(1, "the job is begun").await;
    let mut tx = ground.pool().begin().await.unwrap();
    sqlx::query("select 1 from job for update").execute(&mut *tx).await.unwrap();
    latch.over.comes_to(1, "the handler is cancelled").await;
    tx.rollback().await.unwrap();
    latch.let_go(1);
    worker.stop().await;
    assert!(ground.claim_all(Queue::Github, 10).await.len() <= 1);
    assert_sound(&ground.engine).await;
}
