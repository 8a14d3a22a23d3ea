//! F14: workers whose clocks are an hour ahead or behind work beside one whose clock is right.

use std::{collections::BTreeSet, path::PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    crew::Crew,
    floor::{Ground, LEASE, until},
    light,
    light::Light,
};

/// The library that lies about the time to whatever is started with it.
fn liar() -> PathBuf {
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
    let ground = Ground::new();
    tokio::task::block_in_place(|| ground.cluster.create_database("light").unwrap());
    let (url, folder) = (ground.cluster.url("light"), tempfile::tempdir().unwrap());
    let mut light = Light::open(&url, 4).await;
    let lease = (LEASE * 5).as_millis().to_string();
    let words = ["bench-worker", "--lease-ms", &lease, "--drain-ms", "5000", "--answers-within-ms", "100"];
    let crew = Crew::called_with(&words, vec![("DATABASE_URL", url)], folder.path());
    let liar = liar().display().to_string();
    for skew in ["+1h", "-1h", "+0"] {
        // The clock that only measures spans goes right on every machine.
        let lies = [
            ("LD_PRELOAD", liar.clone()),
            ("FAKETIME", skew.to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        crew.hire_with(&lies);
    }
    light.begin(400).await;
    let pool = light.engine().pool().clone();
    until("all runs to end", async || (light::open_runs(&pool).await.unwrap() == 0).then_some(())).await;

    let tally = light.tally().await;
    assert_eq!((tally.lost, tally.uneven, tally.given_up), (0, 0, 0), "{tally:?}");
    let lost: Vec<String> = sqlx::query_scalar("select worker from attempt").fetch_all(&pool).await.unwrap();
    assert!(lost.is_empty(), "leases ended early: {lost:?}");
    let (first, last): (DateTime<Utc>, DateTime<Utc>) =
        sqlx::query_as("select min(at), max(at) from event").fetch_one(&pool).await.unwrap();
    let off = (Utc::now() - first).abs().max((Utc::now() - last).abs());
    assert!(off < TimeDelta::minutes(10), "events from {first} to {last}");
    let workers: Vec<String> = sqlx::query_scalar("select distinct actor from event where kind = 'answered'")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(BTreeSet::from_iter(workers).len(), 3, "each of them has done its part");
    let broken = light::broken(light.engine()).await;
    assert!(broken.is_empty(), "{broken:?}");
}
