//! F1: a worker dies, panics or loses its connection right before and after each commit.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aspora::store::failpoint::POINTS;

use crate::env::{Dice, FaultEnv, TestPostgres, invariants, seed, spawn_all};

/// Runs at the same time.
const LANES: usize = 3;
/// A run of four model calls passes each point about this often.
const PASSES: u64 = 6;
const MODES: [&str; 3] = ["abort", "panic", "error"];

/// A point, which pass of it fails, and how.
type Injection = (&'static str, u64, &'static str);

/// A run whose first worker has an armed failpoint; a worker that dies is replaced by one that has none. Whether the
/// failpoint was reached.
async fn reaches(env: &FaultEnv, (point, nth, mode): Injection) -> bool {
    let started = env.start_run("p").await;
    env.workers.spawn_with(&[("ASPORA_FAILPOINTS", format!("{point}:{nth}:{mode}"))]);
    env.keep_a_worker_to_the_end(&started).await;
    invariants::assert_hold(env, &started, None).await;
    let message = format!("failpoint {point}");
    env.workers.logs().iter().any(|log| log.contains(&message))
}

/// With `ASPORA_POINTS=all`, each of the first passes of each point in each mode; otherwise one random pass of each point, in
/// a random mode.
fn injections() -> Vec<Injection> {
    let all = std::env::var("ASPORA_POINTS").is_ok_and(|which| which == "all");
    let mut dice = Dice::new(seed());
    let one = |point| {
        let mode = MODES[dice.below(MODES.len() as u64) as usize];
        (point, 1 + dice.below(PASSES), mode)
    };
    let every =
        |point| MODES.into_iter().flat_map(move |mode| (1..=PASSES).map(move |nth| (point, nth, mode)));
    if all { POINTS.into_iter().flat_map(every).collect() } else { POINTS.into_iter().map(one).collect() }
}

async fn lane(postgres: TestPostgres, open: Arc<Mutex<Vec<Injection>>>, reached: Arc<AtomicUsize>) {
    loop {
        let Some(injection) = open.lock().unwrap().pop() else { return };
        let (point, nth, mode) = injection;
        let env = postgres.fault_env(&format!("{point}_{nth}_{mode}")).await;
        let is_reached = reaches(&env, injection).await;
        println!("{point} {nth} {mode}: {}", if is_reached { "reached" } else { "not reached" });
        reached.fetch_add(usize::from(is_reached), Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f1_a_worker_that_dies_panics_or_is_cut_off_around_a_commit_does_nothing_twice() {
    let (postgres, open) = (TestPostgres::start(), Arc::new(Mutex::new(injections())));
    let (all, reached) = (open.lock().unwrap().len(), Arc::new(AtomicUsize::new(0)));
    spawn_all((0..LANES).map(|_| lane(postgres.clone(), Arc::clone(&open), Arc::clone(&reached)))).await;
    let reached = reached.load(Ordering::SeqCst);
    // Not every run passes every point so often.
    assert!(reached * 3 >= all * 2, "only {reached} of {all} failpoints were reached");
}
