//! F5: a machine between a worker and Postgres forgets their connections, and neither side learns of it.

use std::time::Duration;

use aspora::store;

use crate::{
    env::{
        Dice, Direction, LEASE, LinkState, Proxy, StubRuns, TestPostgres, WorkerProcs, invariants, seed,
        stub_workers,
    },
    support::{
        self,
        wait::{eventually, until},
    },
};

/// A worker behind a proxy, with stub runs to do.
struct Proxied {
    _postgres: TestPostgres,
    _folder: tempfile::TempDir,
    stub_runs: StubRuns,
    proxy: Proxy,
    workers: WorkerProcs,
}

impl Proxied {
    async fn start(runs: usize) -> Self {
        let (postgres, folder) = (TestPostgres::start(), tempfile::tempdir().unwrap());
        let url = postgres.create_database("stub");
        let mut stub_runs = StubRuns::open(&url, 6).await;
        let proxy = Proxy::start(&url).await;
        let args = ["--drain-ms", "5000", "--answers-within-ms", "60"];
        let workers = stub_workers(&proxy.url(&url), LEASE, &args, folder.path());
        workers.spawn();
        stub_runs.start(runs).await;
        Self { _postgres: postgres, _folder: folder, stub_runs, proxy, workers }
    }

    /// Waits until this many more steps were answered.
    async fn wait_for_steps(&self, steps: i64) {
        let pool = self.stub_runs.engine().pool();
        let before = StubRuns::steps(pool).await.unwrap();
        eventually("the worker goes on", async || StubRuns::steps(pool).await.unwrap() >= before + steps)
            .await;
    }

    /// Waits until more responses were lost than `before`.
    async fn wait_for_loss(&self, before: usize) {
        eventually("a response is lost", async || self.proxy.lost_responses() > before).await;
    }

    /// Waits until all runs have ended.
    async fn wait_for_end(&self) {
        self.stub_runs.wait_for_all(&self.workers, || ()).await;
    }

    /// Asserts that every run was done once and that the worker lives on.
    async fn finish(self) {
        assert_eq!(self.finish_with_failures().await, 0, "steps used up their attempts");
    }

    /// As [`Proxied::finish`], but steps may use up their attempts; how many runs ended so.
    async fn finish_with_failures(self) -> usize {
        self.wait_for_end().await;
        let tally = self.stub_runs.tally().await;
        assert_eq!((tally.lost, tally.uneven), (0, 0), "{tally:?}");
        invariants::assert_store_is_sound(self.stub_runs.engine()).await;
        let lives = self.workers.nth(0).is_some_and(|worker| self.workers.exit_status(worker).is_none());
        assert!(lives, "the worker lives on");
        tally.given_up
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f5_a_worker_gives_up_half_open_connections() {
    let proxied = Proxied::start(150).await;
    for _ in 0..3 {
        proxied.wait_for_steps(40).await;
        proxied.proxy.make_half_open();
    }
    proxied.wait_for_steps(40).await;
    proxied.finish().await;
}

/// Each pattern occurs in one statement only: the claim, the finish, the renewal, the look for due work.
const CLAIM: &str = "with recursive wanted";
const FINISH: &str = "a run moved without its job";
const RENEWAL: &str = "returning held.token";
const DUE_WORK: &str = "exists (select from schedule where next_at <= now())";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f5_a_claim_a_finish_or_a_renewal_that_is_never_answered_holds_nothing_up() {
    let proxied = Proxied::start(200).await;
    for statement in [CLAIM, FINISH, RENEWAL, FINISH, CLAIM] {
        proxied.wait_for_steps(10).await;
        let before = proxied.proxy.lost_responses();
        proxied.proxy.withhold_responses(statement, 0);
        proxied.wait_for_loss(before).await;
        proxied.wait_for_steps(30).await;
    }
    proxied.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f5_an_idle_worker_polls_on_when_a_poll_is_never_answered() {
    let mut proxied = Proxied::start(5).await;
    proxied.wait_for_end().await;
    proxied.proxy.withhold_responses(DUE_WORK, 0);
    proxied.wait_for_loss(0).await;
    // Notifications of the runs that start now are lost: polling must find them.
    proxied.proxy.make_half_open();
    proxied.stub_runs.start(20).await;
    proxied.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f5_a_connection_that_is_given_up_frees_its_place_in_the_pool() {
    let database = support::database().await;
    let proxy = Proxy::start(&database.url).await;
    let pool = store::connect(&proxy.url(&database.url), 2).await.unwrap();
    for _ in 0..2 {
        let both = [pool.begin().await.unwrap(), pool.begin().await.unwrap()];
        proxy.make_half_open();
        drop(both);
        until("a place in the pool", async || pool.acquire().await.ok()).await;
        until("the other place", async || {
            let (one, other) = tokio::join!(pool.acquire(), pool.acquire());
            one.and(other).ok()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f5_whatever_happens_to_the_wire_nothing_is_done_twice() {
    let (proxied, mut dice) = (Proxied::start(300).await, Dice::new(seed()));
    for _ in 0..16 {
        proxied.wait_for_steps(i64::try_from(5 + dice.below(20)).unwrap()).await;
        let (proxy, duration) = (&proxied.proxy, Duration::from_millis(30 + dice.below(500)));
        let direction = if dice.below(2) == 0 { Direction::ToServer } else { Direction::ToClient };
        match dice.below(7) {
            0 => proxy.cut(),
            1 => proxy.make_half_open(),
            2 => proxy.cut_after(direction, usize::try_from(1 + dice.below(20_000)).unwrap()),
            3 => proxy.set_for(LinkState::Blocked, duration).await,
            4 => proxy.set_for(LinkState::NoResponses, duration).await,
            5 => proxy.set_for(LinkState::NoRequests, duration).await,
            _ => proxy.set_for(LinkState::Slow(duration / 10), duration * 2).await,
        }
    }
    println!("{} runs were given up", proxied.finish_with_failures().await);
}
