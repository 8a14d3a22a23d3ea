//! F20: after an outage everybody comes back at once, to many jobs that are due.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use crate::{
    crew::Crew,
    floor::{Ground, until},
    light::{self, Light},
};

const WORKERS: usize = 6;
const RUNS: usize = 1_000;
const STEPS: usize = 3;
/// A worker's pool, its ear and its heart.
const LINES_OF_ONE: i64 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f20_workers_that_come_back_to_many_due_jobs_do_each_once_and_stay_within_their_connections() {
    let (ground, folder) = (Ground::new(), tempfile::tempdir().unwrap());
    tokio::task::block_in_place(|| ground.cluster.create_database("light").unwrap());
    let url = ground.cluster.url("light");
    let mut light = Light::open(&url, STEPS).await;
    let words = ["bench-worker", "--lease-ms", "2000", "--drain-ms", "5000", "--answers-within-ms", "20"];
    let crew = Crew::called_with(&words, vec![("DATABASE_URL", url)], folder.path());
    crew.fill_up(WORKERS);
    light.begin(RUNS).await;
    until("the work to begin", async || (Light::steps(light.engine().pool()).await? > 50).then_some(()))
        .await;

    tokio::task::block_in_place(|| ground.cluster.kill().unwrap());
    // Long enough that everybody waits for it to come back.
    tokio::time::sleep(Duration::from_secs(3)).await;
    tokio::task::block_in_place(|| ground.cluster.restart().unwrap());

    let most = AtomicI64::new(0);
    until("all runs to end", async || {
        let lines = "select count(*) from pg_stat_activity where application_name like 'aspora%'
                     and datname = current_database() and pid <> pg_backend_pid()";
        let lines: i64 = sqlx::query_scalar(lines).fetch_one(light.engine().pool()).await.ok()?;
        most.fetch_max(lines, Ordering::Relaxed);
        (light::open_runs(light.engine().pool()).await.ok()? == 0).then_some(())
    })
    .await;
    let most = most.into_inner();
    println!("{most} connections at most");
    assert!(most <= i64::try_from(WORKERS).unwrap() * LINES_OF_ONE + 4, "{most} connections");
    let tally = light.tally().await;
    assert_eq!((tally.lost, tally.uneven, tally.given_up), (0, 0, 0), "{tally:?}");
    let broken = light::broken(light.engine()).await;
    assert!(broken.is_empty(), "{broken:?}");
    for nth in 0..WORKERS {
        assert!(crew.one(nth).is_some_and(|worker| crew.ended(worker).is_none()), "a worker went home");
    }
}
