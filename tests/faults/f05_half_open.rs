//! F5: a machine between a worker and Postgres forgets their connections, and neither side hears of it.

use std::time::Duration;

use crate::{
    crew::Crew,
    floor::{Ground, LEASE, until},
    light,
    light::Light,
    proxy::{Line, Proxy},
};

/// A worker behind a proxy, with many runs before it.
struct Behind {
    _ground: Ground,
    _folder: tempfile::TempDir,
    light: Light,
    proxy: Proxy,
    crew: Crew,
}

async fn behind(runs: usize) -> Behind {
    let ground = Ground::new();
    tokio::task::block_in_place(|| ground.cluster.create_database("light").unwrap());
    let (url, folder) = (ground.cluster.url("light"), tempfile::tempdir().unwrap());
    let mut light = Light::open(&url, 6).await;
    let proxy = Proxy::start(&url).await;
    let lease = LEASE.as_millis().to_string();
    let words = ["bench-worker", "--lease-ms", &lease, "--drain-ms", "5000", "--answers-within-ms", "60"];
    let crew = Crew::called_with(&words, vec![("DATABASE_URL", proxy.url(&url))], folder.path());
    crew.hire();
    light.begin(runs).await;
    Behind { _ground: ground, _folder: folder, light, proxy, crew }
}

impl Behind {
    /// Waits until so many steps more were answered.
    async fn goes_on(&self, steps: i64) {
        let pool = self.light.engine().pool();
        let before = Light::steps(pool).await.unwrap();
        until("the worker to go on", async || {
            (Light::steps(pool).await.unwrap() >= before + steps).then_some(())
        })
        .await;
    }

    /// All is done once, and the worker still has every connection that it may have.
    async fn ends(self) {
        let pool = self.light.engine().pool();
        until("all runs to end", async || (light::open_runs(pool).await.unwrap() == 0).then_some(())).await;
        let tally = self.light.tally().await;
        assert_eq!((tally.lost, tally.uneven, tally.given_up), (0, 0, 0), "{tally:?}");
        let broken = light::broken(self.light.engine()).await;
        assert!(broken.is_empty(), "{broken:?}");
        assert!(
            self.crew.one(0).is_some_and(|worker| self.crew.ended(worker).is_none()),
            "the worker lives on"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f5_a_worker_gives_up_connections_that_were_forgotten_on_the_way() {
    let behind = behind(150).await;
    for _ in 0..3 {
        behind.goes_on(40).await;
        behind.proxy.strand();
    }
    behind.goes_on(40).await;
    behind.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f5_cuts_and_answers_that_are_lost_do_nothing_twice() {
    let behind = behind(250).await;
    for round in 0..12_u64 {
        behind.goes_on(10).await;
        match round % 3 {
            0 => behind.proxy.cut(),
            1 => behind.proxy.be(Line::Deaf, Duration::from_millis(30 + round * 20)).await,
            _ => behind.proxy.be(Line::Silent, Duration::from_millis(100 + round * 40)).await,
        }
    }
    behind.ends().await;
}
