//! F14: workers whose clocks are an hour ahead or behind work beside one whose clock is right.

use std::{collections::BTreeSet, path::PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

use crate::env::{LEASE, StubRuns, TestPostgres, invariants, stub_workers};

/// The library of faketime, which a program loads to get a wrong time.
fn faketime() -> PathBuf {
    let places = ["/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib64/faketime/libfaketimeMT.so.1"];
    let found = places.iter().flat_map(|place| {
        let (before, after) = place.split_once('*').unwrap_or((place, ""));
        let folders = std::fs::read_dir(before).into_iter().flatten().flatten();
        folders
            .map(move |folder| PathBuf::from(format!("{}{after}", folder.path().display())))
            .chain([before.into()])
    });
    found.into_iter().find(|path| path.is_file()).expect("faketime is not installed: `./run test` does that")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f14_a_wrong_clock_ends_no_lease_early_and_writes_no_wrong_time() {
    let postgres = TestPostgres::start();
    let (url, folder) = (postgres.create_database("stub"), tempfile::tempdir().unwrap());
    let mut stub_runs = StubRuns::open(&url, 4).await;
    let args = ["--drain-ms", "5000", "--answers-within-ms", "100"];
    let workers = stub_workers(&url, LEASE * 5, &args, folder.path());
    let faketime = faketime().display().to_string();
    for skew in ["+1h", "-1h", "+0"] {
        // The monotonic clock is right on every machine.
        let variables = [
            ("LD_PRELOAD", faketime.clone()),
            ("FAKETIME", skew.to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        workers.spawn_with(&variables);
    }
    stub_runs.start(400).await;
    let pool = stub_runs.engine().pool().clone();
    stub_runs.wait_for_all(&workers, || ()).await;

    let tally = stub_runs.tally().await;
    assert_eq!((tally.lost, tally.uneven, tally.given_up), (0, 0, 0), "{tally:?}");
    let lost: Vec<String> = sqlx::query_scalar("select worker from attempt").fetch_all(&pool).await.unwrap();
    assert!(lost.is_empty(), "leases ended early: {lost:?}");
    let (first, last): (DateTime<Utc>, DateTime<Utc>) =
        sqlx::query_as("select min(at), max(at) from event").fetch_one(&pool).await.unwrap();
    let off = (Utc::now() - first).abs().max((Utc::now() - last).abs());
    assert!(off < TimeDelta::minutes(10), "events from {first} to {last}");
    let actors: Vec<String> = sqlx::query_scalar("select distinct actor from event where kind = 'answered'")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(BTreeSet::from_iter(actors).len(), 3, "each worker has answered");
    invariants::assert_store_is_sound(stub_runs.engine()).await;
}
