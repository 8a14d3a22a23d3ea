//! Postgres is killed under running workers: work goes on, nothing is lost, and nothing is done twice.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aspora::{
    activities::{Assignment, Failure, Reply},
    core::workflow::Queue,
    dev::postgres::Cluster,
    store::{
        self, Pool,
        effect::{self, Begun},
    },
    worker::Config,
};
use serde_json::json;

use super::{
    harness::{Counter, LONG, config, happy_reply, work},
    support::{accept, assert_sound, engine, eventually},
};

const RUNS: i64 = 25;

/// The world outside: how often each act was made.
type World = Arc<Mutex<BTreeMap<String, u32>>>;

/// Acts once on the world, as the factory's own activities do: write down, look, act, write down.
async fn act(pool: &Pool, world: &World, task: Assignment) -> Result<Reply, Failure> {
    let (run, key) = (task.lease.run, format!("{}.{}", task.lease.step, task.lease.turn));
    let name = format!("{run} {key}");
    let done = match effect::begin(pool, &task.lease, &key, "push", &json!({})).await? {
        Begun::Done(..) => return Ok(happy_reply(&task)),
        Begun::LeaseLost => return Err(Failure::LeaseLost),
        Begun::Unknown(_) => world.lock().unwrap().contains_key(&name),
        Begun::Fresh(_) => false,
    };
    if !done {
        *world.lock().unwrap().entry(name).or_default() += 1;
    }
    effect::observe(pool, run, &key, &json!("done")).await?;
    Ok(happy_reply(&task))
}

async fn ended(pool: &Pool) -> i64 {
    // A pool that was cut off may need another try.
    let ended = sqlx::query_scalar("select count(*) from run where status = 'ended'").fetch_one(pool).await;
    ended.unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_postgres_loses_nothing_and_nothing_is_done_twice() {
    let folder = tempfile::Builder::new().prefix("aspora-").tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).unwrap();
    cluster.create_database("factory").unwrap();
    let pool = store::connect(&cluster.url("factory"), 10).await.unwrap();
    store::migrate(&pool).await.unwrap();
    let engine = engine(pool.clone()).await;
    for _ in 0..RUNS {
        accept(&engine, 3).await;
    }
    let (world, performed) = (World::default(), Counter::default());
    let slots = [(Queue::Default, 0), (Queue::Llm, 3), (Queue::Github, 3)];
    let mut config = Config { slots, ..config("one") };
    config.timing.lease = Duration::from_secs(5);
    let (outside, pool_of_worker, counted) = (Arc::clone(&world), pool.clone(), performed.clone());
    let worker = work(&engine, config, move |task| {
        counted.add();
        let (world, pool) = (Arc::clone(&outside), pool_of_worker.clone());
        async move { act(&pool, &world, task).await }
    })
    .await;

    for outage in 1..=3 {
        performed.reaches(outage * 15, "work goes on").await;
        cluster.kill().unwrap();
        cluster.restart().unwrap();
    }
    eventually("every run ends", async || {
        // Retries need not be waited for, but leases of attempts that were cut off are.
        let skip = "update job set visible_at = now() where lease_token is null and visible_at > now()";
        let _ = sqlx::query(skip).execute(&pool).await;
        ended(&pool).await == RUNS
    })
    .await;
    worker.stop().await;
    assert_sound(&engine).await;
    let merged: i64 = sqlx::query_scalar("select count(*) from run where ended_as = 'succeeded'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(merged, RUNS);
    let world = world.lock().unwrap();
    assert_eq!(world.len(), usize::try_from(RUNS).unwrap() * 5, "an act was lost");
    assert!(world.values().all(|times| *times == 1), "{world:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_hears_again_after_postgres_was_killed() {
    let folder = tempfile::Builder::new().prefix("aspora-").tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).unwrap();
    cluster.create_database("factory").unwrap();
    let pool = store::connect(&cluster.url("factory"), 10).await.unwrap();
    store::migrate(&pool).await.unwrap();
    let engine = engine(pool.clone()).await;
    let mut config = config("one");
    config.timing.poll = LONG;
    let worker = work(&engine, config, async |task| Ok(happy_reply(&task))).await;
    super::harness::listeners(&pool, 1).await;

    cluster.kill().unwrap();
    cluster.restart().unwrap();
    eventually("Postgres answers", async || store::ping(&pool).await.is_ok()).await;
    accept(&engine, 3).await;
    eventually("the run ends", async || ended(&pool).await == 1).await;
    worker.stop().await;
    assert_sound(&engine).await;
}
