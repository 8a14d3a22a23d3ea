//! F20: after an outage all workers reconnect at once and find many jobs due, a thundering herd.

use std::time::Duration;

use crate::{
    env::{StubRuns, TestPostgres, invariants, stub_workers},
    support::eventually,
};

const WORKERS: usize = 6;
const RUNS: usize = 1_000;
const STEPS: usize = 3;
const LEASE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f20_workers_that_reconnect_at_once_get_connections_and_do_each_job_once() {
    let (postgres, folder) = (TestPostgres::start(), tempfile::tempdir().unwrap());
    let url = postgres.create_database("stub");
    let mut stub_runs = StubRuns::open(&url, STEPS).await;
    let pool = stub_runs.engine().pool().clone();
    let args = ["--drain-ms", "5000", "--answers-within-ms", "20"];
    let workers = stub_workers(&url, LEASE, &args, folder.path());
    workers.top_up(WORKERS);
    eventually("all workers are connected", async || {
        let connected = "select count(distinct pid) from pg_stat_activity
                         where datname = current_database() and application_name like 'aspora worker %'";
        let connected = sqlx::query_scalar::<_, i64>(connected).fetch_one(&pool).await;
        connected.is_ok_and(|count| count == i64::try_from(WORKERS).unwrap())
    })
    .await;
    stub_runs.start(RUNS).await;
    eventually("the work begins", async || StubRuns::steps(&pool).await.is_some_and(|steps| steps > 50))
        .await;

    postgres.kill();
    // The outage outlasts the leases, so that the jobs that were held are due too when it ends.
    tokio::time::sleep(LEASE.mul_f64(1.5)).await;
    postgres.restart();

    stub_runs.wait_for_all(&workers, || ()).await;
    // A worker that gives a connection up opens another while the server may still keep the first.
    let logs = workers.logs().concat();
    assert!(!logs.contains("too many clients"), "a worker got no connection: {logs}");
    let tally = stub_runs.tally().await;
    assert_eq!((tally.lost, tally.uneven, tally.given_up), (0, 0, 0), "{tally:?}");
    invariants::assert_store_is_sound(stub_runs.engine()).await;
    for nth in 0..WORKERS {
        let lives = workers.nth(nth).is_some_and(|worker| workers.exit_status(worker).is_none());
        assert!(lives, "a worker has ended: {:?}", workers.logs());
    }
}
