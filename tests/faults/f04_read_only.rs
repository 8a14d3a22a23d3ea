//! F4: the server is read-only for a while, as one that is no longer the primary.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    env::{StubRuns, TestPostgres, invariants, stub_workers},
    support::wait::{eventually, until},
};

/// Makes new sessions read-only, or writable again, and ends all others.
async fn set_read_only(admin: &mut PgConnection, is_read_only: bool) {
    let sql = format!("alter database stub set default_transaction_read_only = {is_read_only}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *admin).await.unwrap();
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'stub'")
        .execute(admin)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f4_a_worker_whose_server_is_read_only_waits_until_it_can_write() {
    let (postgres, folder) = (TestPostgres::start(), tempfile::tempdir().unwrap());
    let url = postgres.create_database("stub");
    let mut stub_runs = StubRuns::open(&url, 4).await;
    let args = ["--drain-ms", "5000", "--answers-within-ms", "50"];
    let workers = stub_workers(&url, Duration::from_secs(1), &args, folder.path());
    let worker = workers.spawn();
    stub_runs.start(200).await;
    let pool = stub_runs.engine().pool().clone();
    let steps = async || until("Postgres answers", async || StubRuns::steps(&pool).await).await;
    eventually("the work begins", async || steps().await > 20).await;

    let mut admin = PgConnection::connect(&postgres.cluster.url("postgres")).await.unwrap();
    set_read_only(&mut admin, true).await;
    let before = steps().await;
    // That nothing is written can only be observed over a time.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(steps().await, before, "steps were written");
    assert_eq!(workers.exit_status(worker), None, "{:?}", workers.logs());
    set_read_only(&mut admin, false).await;

    stub_runs.wait_for_all(&workers, || ()).await;
    assert_eq!(workers.exit_status(worker), None, "the worker lives on");
    let tally = stub_runs.tally().await;
    assert_eq!((tally.lost, tally.uneven), (0, 0), "{tally:?}");
    invariants::assert_store_is_sound(stub_runs.engine()).await;
}
