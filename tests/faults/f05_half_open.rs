//! F5: a machine between a worker and Postgres forgets their connections, and neither side hears of it.

use std::time::Duration;

use aspora::store;

use crate::{
    crew::Crew,
    dice::Dice,
    floor::{Ground, LEASE, until},
    light,
    light::Light,
    proxy::{Line, Proxy, Way},
    support,
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

    /// Waits until an answer more was lost than `before`.
    async fn loses(&self, before: usize) {
        until("an answer to be lost", async || (self.proxy.lost() > before).then_some(())).await;
    }

    /// Waits until all runs are over.
    async fn is_idle(&self) {
        let pool = self.light.engine().pool();
        until("all runs to end", async || (light::open_runs(pool).await.unwrap() == 0).then_some(())).await;
    }

    /// All is done once, and the worker lives on.
    async fn ends(self) {
        assert_eq!(self.given_up().await, 0, "steps used up their attempts");
    }

    /// As [`Behind::ends`], where some may use up their attempts; tells how many did.
    async fn given_up(self) -> usize {
        self.is_idle().await;
        let tally = self.light.tally().await;
        assert_eq!((tally.lost, tally.uneven), (0, 0), "{tally:?}");
        let broken = light::broken(self.light.engine()).await;
        assert!(broken.is_empty(), "{broken:?}");
        assert!(
            self.crew.one(0).is_some_and(|worker| self.crew.ended(worker).is_none()),
            "the worker lives on"
        );
        tally.given_up
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f5_a_worker_gives_up_connections_that_were_forgotten_on_the_way() {
    let behind = behind(150).await;
    for _ in 0..3 {
        behind.goes_on(40).await;
        behind.proxy.block_unsupported();
    }
    behind.goes_on(40).await;
    behind.ends().await;
}

/// Words that only the statement has: a claim, a finish, a renewal, a look for what is due.
const CLAIM: &str = "with recursive wanted";
const FINISH: &str = "a run moved without its job";
const RENEWAL: &str = "returning held.token";
const LOOK: &str = "exists (select from schedule where next_at <= now())";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f5_a_claim_a_finish_or_a_renewal_that_is_never_answered_holds_nothing_up() {
    let behind = behind(200).await;
    for what in [CLAIM, FINISH, RENEWAL, FINISH, CLAIM] {
        behind.goes_on(10).await;
        let before = behind.proxy.lost();
        behind.proxy.hush(what, 0);
        behind.loses(before).await;
        behind.goes_on(30).await;
    }
    behind.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f5_an_idle_worker_looks_on_when_a_look_is_never_answered() {
    let mut behind = behind(5).await;
    behind.is_idle().await;
    behind.proxy.hush(LOOK, 0);
    behind.loses(0).await;
    // Nobody hears the notice of what begins now: it is found by looking.
    behind.proxy.block_unsupported();
    behind.light.begin(20).await;
    behind.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f5_whoever_gives_a_connection_up_gives_up_its_place_in_the_pool() {
    let database = support::database().await;
    let proxy = Proxy::start(&database.url).await;
    let pool = store::connect(&proxy.url(&database.url), 2).await.unwrap();
    for _ in 0..2 {
        let both = [pool.begin().await.unwrap(), pool.begin().await.unwrap()];
        proxy.block_unsupported();
        drop(both);
        until("a place in the pool", async || pool.acquire().await.ok()).await;
        until("the other place", async || {
            let (one, other) = tokio::join!(pool.acquire(), pool.acquire());
            one.and(other).ok()
        })
        .await;
    }
}

/// The seed may be given as `ASPORA_SEED`, in hexadecimal.
fn seed() -> u64 {
    let drawn = || uuid::Uuid::new_v4().as_u64_pair().0;
    let given = std::env::var("ASPORA_SEED").ok();
    let seed = given.map_or_else(drawn, |text| {
        u64::from_str_radix(&text, 16).expect("ASPORA_SEED is hexadecimal, of at most 64 bits")
    });
    println!("ASPORA_SEED={seed:x}");
    seed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f5_whatever_the_wire_does_nothing_is_done_twice() {
    let (behind, mut dice) = (behind(300).await, Dice::new(seed()));
    for _ in 0..16 {
        behind.goes_on(i64::try_from(5 + dice.below(20)).unwrap()).await;
        let (proxy, lasts) = (&behind.proxy, Duration::from_millis(30 + dice.below(500)));
        let way = if dice.below(2) == 0 { Way::Asked } else { Way::Answered };
        match dice.below(7) {
            0 => proxy.cut(),
            1 => proxy.block_unsupported(),
            2 => proxy.cut_after(way, usize::try_from(1 + dice.below(20_000)).unwrap()),
            3 => proxy.be(Line::Silent, lasts).await,
            4 => proxy.be(Line::Deaf, lasts).await,
            5 => proxy.be(Line::Mute, lasts).await,
            _ => proxy.be(Line::Slow(lasts / 10), lasts * 2).await,
        }
    }
    println!("{} runs were given up", behind.given_up().await);
}
