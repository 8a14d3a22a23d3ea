//! F4: the server only reads for a while, as one does that is no longer the primary.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    crew::Crew,
    floor::{Ground, until},
    light::{self, Light},
};

/// Lets every new session only read, or read and write again, and ends all others.
async fn only_reads(admin: &mut PgConnection, whether: bool) {
    let sql = format!("alter database light set default_transaction_read_only = {whether}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *admin).await.unwrap();
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'light'")
        .execute(admin)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f4_a_worker_whose_server_only_reads_waits_until_it_writes_again() {
    let (ground, folder) = (Ground::new(), tempfile::tempdir().unwrap());
    tokio::task::block_in_place(|| ground.cluster.create_database("light").unwrap());
    let url = ground.cluster.url("light");
    let mut light = Light::open(&url, 4).await;
    let words = ["bench-worker", "--lease-ms", "1000", "--drain-ms", "5000", "--answers-within-ms", "50"];
    let crew = Crew::called_with(&words, vec![("DATABASE_URL", url.clone())], folder.path());
    let worker = crew.hire();
    light.begin(200).await;
    let pool = light.engine().pool().clone();
    until("the work to begin", async || (Light::steps(&pool).await? > 20).then_some(())).await;

    let mut admin = PgConnection::connect(&ground.cluster.url("postgres")).await.unwrap();
    only_reads(&mut admin, true).await;
    let before = until("an answer", async || Light::steps(&pool).await).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(until("an answer", async || Light::steps(&pool).await).await, before, "it was written");
    assert_eq!(crew.ended(worker), None, "{:?}", crew.logs());
    only_reads(&mut admin, false).await;

    until("all runs to end", async || (light::open_runs(&pool).await.ok()? == 0).then_some(())).await;
    assert_eq!(crew.ended(worker), None, "the worker lives on");
    let tally = light.tally().await;
    assert_eq!((tally.lost, tally.uneven), (0, 0), "{tally:?}");
    let broken = light::broken(light.engine()).await;
    assert!(broken.is_empty(), "{broken:?}");
}
