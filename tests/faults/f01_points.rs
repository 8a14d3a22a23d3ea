//! F1: a worker dies, panics or loses its connection right before and after whatever becomes durable.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aspora::store::failpoint::POINTS;
use uuid::Uuid;

use crate::{
    floor::{Floor, Ground, side_by_side, until},
    invariants, light,
};

/// Runs at the same time.
const LANES: usize = 3;
/// The most passes of each point that a run of four calls makes anyway.
const PASSES: u64 = 6;
const MODES: [&str; 3] = ["abort", "panic", "error"];

/// A point, which pass of it is struck, and how.
type Strike = (&'static str, u64, &'static str);

/// A run whose first worker is armed; whoever dies is replaced by one that is not. Tells whether it struck.
async fn struck(floor: &Floor, point: &str, nth: u64, mode: &str) -> bool {
    let armed = format!("{point}:{nth}:{mode}");
    let begun = floor.begin("p").await;
    floor.crew.hire_with(&[("ASPORA_FAILPOINTS", armed.clone())]);
    let pool = floor.pool();
    until(&format!("the end in spite of {armed}"), async || {
        floor.crew.fill_up(1);
        light::open_runs(pool).await.is_ok_and(|open| open == 0).then_some(())
    })
    .await;
    invariants::hold(floor, &begun, None).await;
    let told = format!("failpoint {point}");
    floor.crew.logs().iter().any(|log| log.contains(&told))
}

/// `ASPORA_POINTS=all` strikes each of the first passes of each point; otherwise the seed draws one for each.
fn strikes() -> Vec<Strike> {
    let all = std::env::var("ASPORA_POINTS").is_ok_and(|which| which == "all");
    let seed = std::env::var("ASPORA_SEED").map_or_else(
        |_| Uuid::new_v4().as_u128() as u64,
        |text| u64::from_str_radix(&text, 16).expect("ASPORA_SEED is hexadecimal"),
    );
    println!("ASPORA_SEED={seed:x}");
    let both = POINTS.into_iter().flat_map(|point| MODES.map(|mode| (point, mode))).enumerate();
    both.flat_map(|(place, (point, mode))| {
        let drawn = 1 + seed.rotate_left(7 * place as u32) % PASSES;
        let passes: Vec<u64> = if all { (1..=PASSES).collect() } else { vec![drawn] };
        passes.into_iter().map(move |nth| (point, nth, mode))
    })
    .collect()
}

async fn lane(ground: Ground, open: Arc<Mutex<Vec<Strike>>>, struck_in: Arc<AtomicUsize>) {
    loop {
        let Some((point, nth, mode)) = open.lock().unwrap().pop() else { return };
        let floor = ground.floor(&format!("{point}_{nth}_{mode}")).await;
        let has_struck = struck(&floor, point, nth, mode).await;
        println!("{point} {nth} {mode}: {}", if has_struck { "struck" } else { "never came there" });
        struck_in.fetch_add(usize::from(has_struck), Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f1_whoever_dies_panics_or_is_cut_off_around_a_commit_does_nothing_twice() {
    let (ground, open) = (Ground::new(), Arc::new(Mutex::new(strikes())));
    let (all, struck) = (open.lock().unwrap().len(), Arc::new(AtomicUsize::new(0)));
    side_by_side((0..LANES).map(|_| lane(ground.clone(), Arc::clone(&open), Arc::clone(&struck)))).await;
    let struck = struck.load(Ordering::SeqCst);
    // Not every run passes every point so often.
    assert!(struck * 3 >= all * 2, "only {struck} of {all} came to their point");
}
