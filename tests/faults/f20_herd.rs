//! F20: after an outage everybody comes back at once, to many jobs that are due.

use std::time::Duration;

use crate::{
    crew::Crew,
    floor::{Ground, until},
    light::{self, Light},
};

const WORKERS: usize = 6;
const RUNS: usize = 1_000;
const STEPS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f20_workers_that_come_back_to_many_due_jobs_do_each_once_and_find_a_place() {
    let (ground, folder) = (Ground::new(), tempfile::tempdir().unwrap());
    tokio::task::block_in_place(|| ground.cluster.create_database("light").unwrap());
    let url = ground.cluster.url("light");
    let mut light = Light::open(&url, STEPS).await;
    let words = ["bench-worker", "--lease-ms", "2000", "--drain-ms", "5000", "--answers-within-ms", "20"];
    let crew = Crew::called_with(&words, vec![("DATABASE_URL", url)], folder.path());
    crew.fill_up(WORKERS);
    until("all workers to be there", async || {
        let ears = "select count(distinct pid) from pg_stat_activity
                    where datname = current_database() and application_name like 'aspora worker %'";
        let ears: i64 = sqlx::query_scalar(ears).fetch_one(light.engine().pool()).await.ok()?;
        (ears == i64::try_from(WORKERS).unwrap()).then_some(())
    })
    .await;
    light.begin(RUNS).await;
    until("the work to begin", async || (Light::steps(light.engine().pool()).await? > 50).then_some(()))
        .await;

    tokio::task::block_in_place(|| ground.cluster.kill().unwrap());
    // Long enough that everybody waits for it to come back.
    tokio::time::sleep(Duration::from_secs(3)).await;
    tokio::task::block_in_place(|| ground.cluster.restart().unwrap());

    until("all runs to end", async || {
        (light::open_runs(light.engine().pool()).await.ok()? == 0).then_some(())
    })
    .await;
    // Whoever gives a connection up makes another, while the first may linger at the server.
    let logs = crew.logs().concat();
    assert!(!logs.contains("too many clients"), "somebody was turned away: {logs}");
    let tally = light.tally().await;
    assert_eq!((tally.lost, tally.uneven, tally.given_up), (0, 0, 0), "{tally:?}");
    let broken = light::broken(light.engine()).await;
    assert!(broken.is_empty(), "{broken:?}");
    for nth in 0..WORKERS {
        let at_work = crew.one(nth).is_some_and(|worker| crew.ended(worker).is_none());
        assert!(at_work, "a worker went home: {:?}", crew.logs());
    }
}
