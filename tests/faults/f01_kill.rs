//! F1, F2: a worker dies at any point; the effect it had may be applied and its answer lost.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aspora::dev::model::Fault;
use uuid::Uuid;

use crate::{
    boundary::{Boundary, Job, Namer, Targets},
    crew::Reach,
    floor::{Begun, Floor, Ground, here, side_by_side, until},
    invariants,
    product::MODEL_CALLS,
};

/// Runs that are struck at the same time.
const LANES: usize = 4;
/// All boundaries are struck long before that many runs.
const MOST_RUNS: usize = 40;

/// Every boundary of a run that nobody disturbs.
async fn boundaries(ground: &Ground) -> Vec<Boundary> {
    let floor = ground.floor("undisturbed").await;
    let begun = floor.begin("p").await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    watch(&floor, &begun, {
        let seen = Arc::clone(&seen);
        move |_, boundary| seen.lock().unwrap().push(boundary)
    });
    floor.crew.hire();
    invariants::hold(&floor, &begun, None).await;
    invariants::model_was_asked(&floor, 1, 0);
    let seen = seen.lock().unwrap().clone();
    assert!(seen.len() > 60, "a run makes more requests than that: {seen:?}");
    seen
}

/// Calls `pass` at every boundary of the floor's only run.
fn watch(floor: &Floor, begun: &Begun, pass: impl Fn(&Job, Boundary) + Send + Sync + 'static) {
    let (pool, run, namer) = (floor.pool().clone(), begun.run, Mutex::new(Namer::default()));
    floor.twin.on_request(Arc::new(move |request, phase| {
        let Some(job) = here(Job::of(&pool, run)) else { return };
        let boundary = namer.lock().unwrap().name(&job, request, phase);
        pass(&job, boundary);
    }));
}

/// One run whose worker is killed at every boundary that no other run has struck yet, as long as the
/// step has attempts to spare; tells how often.
async fn struck_run(ground: &Ground, name: &str, targets: &Arc<Mutex<Targets>>) -> usize {
    let floor = ground.floor(name).await;
    let begun = floor.begin("p").await;
    let (crew, targets) = (floor.crew.clone(), Arc::clone(targets));
    watch(&floor, &begun, move |job, boundary| {
        let mut targets = targets.lock().unwrap();
        if job.attempt + 1 < job.most && targets.strike(&boundary) {
            let reach = if targets.struck % 2 == 0 { Reach::Process } else { Reach::Group };
            drop(targets);
            println!("{boundary:?} {reach:?}");
            crew.replace(reach);
        }
    });
    floor.crew.hire();
    let kills = || floor.crew.killed();
    let stored = floor.ended(&begun).await;
    println!("{name}: {} kills, {:?}", kills(), stored.run.state);
    invariants::hold(&floor, &begun, None).await;
    invariants::model_was_asked(&floor, 1, kills());
    kills()
}

/// One struck run after the other, until every boundary was struck.
async fn strike(ground: Ground, lane: usize, targets: Arc<Mutex<Targets>>) {
    for round in 0..MOST_RUNS / LANES {
        if targets.lock().unwrap().open().is_empty() {
            return;
        }
        struck_run(&ground, &format!("struck_{lane}_{round}"), &targets).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f1_a_worker_killed_at_any_request_still_makes_one_branch_one_pull_request_one_merge() {
    let ground = Ground::new();
    let targets = Arc::new(Mutex::new(Targets::of(boundaries(&ground).await)));
    let all = targets.lock().unwrap().open().len();
    side_by_side((0..LANES).map(|lane| strike(ground.clone(), lane, Arc::clone(&targets)))).await;
    let targets = targets.lock().unwrap();
    assert!(targets.open().is_empty(), "never struck: {:?}", targets.open());
    assert_eq!(targets.struck, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f1_a_worker_killed_after_any_event_is_replaced_without_a_trace() {
    let ground = Ground::new();
    let floor = ground.floor("events").await;
    let begun = floor.begin("p").await;
    floor.crew.hire();
    let mut version = 1;
    while let Some(now) = next_version(&floor, &begun, version).await {
        version = now;
        floor.crew.replace(Reach::Process);
    }
    assert!(floor.crew.killed() >= 6, "only {} events", floor.crew.killed());
    invariants::hold(&floor, &begun, None).await;
    invariants::model_was_asked(&floor, 1, floor.crew.killed());
}

/// The version of the run once it has moved on; nothing when it is over.
async fn next_version(floor: &Floor, begun: &Begun, version: i32) -> Option<i32> {
    let moved = until("the next event", async || {
        let stored = floor.look(begun.run).await;
        (stored.version > version).then_some(stored)
    });
    let stored = moved.await;
    stored.run.step().map(|_| stored.version)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f1_a_worker_killed_during_any_call_of_the_model_pays_for_that_call_again_and_no_other() {
    let ground = Ground::new();
    let floor = ground.floor("model").await;
    let begun = floor.begin("p").await;
    floor.crew.hire();
    for call in 1..=MODEL_CALLS {
        floor.model.fail_next(Fault::Slow(Duration::from_secs(5)));
        // Each kill costs the call that it meets, which is then made once more.
        until("the call", async || (floor.model.ledger().len() == 2 * call - 1).then_some(())).await;
        floor.crew.replace(Reach::Group);
        until("the call again", async || (floor.model.ledger().len() == 2 * call).then_some(())).await;
    }
    invariants::hold(&floor, &begun, None).await;
    assert_eq!(floor.model.ledger().len(), 2 * MODEL_CALLS);
}

/// One run whose worker is killed at moments that the seed draws.
async fn random_run(ground: Ground, name: &str, seed: u128) {
    let floor = ground.floor(name).await;
    let begun = floor.begin("p").await;
    floor.crew.hire();
    let mut drawn = seed;
    while floor.look(begun.run).await.run.step().is_some() {
        // Knuth's multiplier; the high bits are the random ones.
        drawn = drawn.wrapping_mul(0x5851_f42d_4c95_7f2d_1405_7b7e_f767_814f).wrapping_add(1);
        let pause = u64::try_from(drawn >> 118).unwrap();
        tokio::time::sleep(Duration::from_millis(600 + pause)).await;
        let job = Job::of(floor.pool(), begun.run).await;
        if job.is_some_and(|job| job.attempt + 1 < job.most) {
            floor.crew.replace(Reach::Process);
        }
    }
    invariants::hold(&floor, &begun, None).await;
    invariants::model_was_asked(&floor, 1, floor.crew.killed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f1_a_worker_killed_at_random_moments_leaves_no_trace() {
    let seed = std::env::var("ASPORA_SEED").map_or_else(
        |_| Uuid::new_v4().as_u128(),
        |text| u128::from_str_radix(&text, 16).expect("ASPORA_SEED is hexadecimal"),
    );
    println!("ASPORA_SEED={seed:x}");
    let ground = Ground::new();
    let names = ["one", "two", "three"].into_iter().zip(1..);
    side_by_side(names.map(|(name, factor)| random_run(ground.clone(), name, seed ^ factor))).await;
}
