//! F1, F2: a worker is killed at any point; its last effect may be applied while the answer is lost.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aspora::dev::model::Fault;

use crate::{
    boundary::{Boundary, BoundaryNamer, CurrentJob, Targets},
    env::{
        Dice, FaultEnv, KillScope, StartedRun, TestPostgres, block_on, invariants, product::MODEL_CALLS,
        seed, spawn_all,
    },
    support::eventually,
};

/// Runs at the same time.
const LANES: usize = 4;
/// Far more runs than are needed to hit all boundaries.
const MOST_RUNS: usize = 40;

/// Every boundary of an undisturbed run.
async fn boundaries(postgres: &TestPostgres) -> Vec<Boundary> {
    let env = postgres.fault_env("undisturbed").await;
    let started = env.start_run("p").await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    on_boundary(&env, &started, {
        let seen = Arc::clone(&seen);
        move |_, boundary| seen.lock().unwrap().push(boundary)
    });
    env.workers.spawn();
    invariants::assert_hold(&env, &started, None).await;
    invariants::assert_model_calls(&env, 1, 0);
    let seen = seen.lock().unwrap().clone();
    assert!(seen.len() > 60, "a run makes more requests than that: {seen:?}");
    seen
}

/// Calls `hook` at every boundary of the only run.
fn on_boundary(
    env: &FaultEnv,
    started: &StartedRun,
    hook: impl Fn(&CurrentJob, Boundary) + Send + Sync + 'static,
) {
    let (pool, run, namer) = (env.pool().clone(), started.run, Mutex::new(BoundaryNamer::default()));
    env.twin.on_request(Arc::new(move |request, phase| {
        let Some(job) = block_on(CurrentJob::of(&pool, run)) else { return };
        let boundary = namer.lock().unwrap().name(&job, request, phase);
        hook(&job, boundary);
    }));
}

/// Kills the worker of one run at every boundary that no other run has hit yet, as long as the step has attempts
/// left.
async fn killed_run(postgres: &TestPostgres, name: &str, targets: &Arc<Mutex<Targets>>) {
    let env = postgres.fault_env(name).await;
    let started = env.start_run("p").await;
    let (workers, targets) = (env.workers.clone(), Arc::clone(targets));
    on_boundary(&env, &started, move |job, boundary| {
        let mut targets = targets.lock().unwrap();
        if job.attempt + 1 < job.most && targets.hit(&boundary) {
            let scope = if targets.hits % 2 == 0 { KillScope::Process } else { KillScope::Group };
            drop(targets);
            println!("{boundary:?} {scope:?}");
            workers.replace(scope);
        }
    });
    env.workers.spawn();
    let kills = || env.workers.killed();
    let stored = env.wait_for_end(&started).await;
    println!("{name}: {} kills, {:?}", kills(), stored.run.state);
    invariants::assert_hold(&env, &started, None).await;
    invariants::assert_model_calls(&env, 1, kills());
}

/// One run after the other, until every boundary was hit.
async fn lane(postgres: TestPostgres, lane: usize, targets: Arc<Mutex<Targets>>) {
    for round in 0..MOST_RUNS / LANES {
        if targets.lock().unwrap().remaining().is_empty() {
            return;
        }
        killed_run(&postgres, &format!("killed_{lane}_{round}"), &targets).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f1_a_worker_killed_at_any_request_still_makes_one_branch_one_pull_request_one_merge() {
    let postgres = TestPostgres::start();
    let targets = Arc::new(Mutex::new(Targets::of(boundaries(&postgres).await)));
    let all = targets.lock().unwrap().remaining().len();
    spawn_all((0..LANES).map(|number| lane(postgres.clone(), number, Arc::clone(&targets)))).await;
    let targets = targets.lock().unwrap();
    assert!(targets.remaining().is_empty(), "never hit: {:?}", targets.remaining());
    assert_eq!(targets.hits, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f1_a_worker_killed_after_any_event_is_replaced_without_a_trace() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("events").await;
    let started = env.start_run("p").await;
    env.workers.spawn();
    let mut version = 1;
    loop {
        let stored = env.wait_for_event(&started, version).await;
        if stored.run.step().is_none() {
            break;
        }
        version = stored.version;
        env.workers.replace(KillScope::Process);
    }
    assert!(env.workers.killed() >= 6, "only {} events", env.workers.killed());
    invariants::assert_hold(&env, &started, None).await;
    invariants::assert_model_calls(&env, 1, env.workers.killed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f1_a_worker_killed_during_any_call_of_the_model_pays_for_that_call_again_and_no_other() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("model").await;
    let started = env.start_run("p").await;
    env.workers.spawn();
    for call in 1..=MODEL_CALLS {
        env.model.fail_next(Fault::Slow(Duration::from_secs(5)));
        // Each kill interrupts one call, which is then made once more.
        eventually("the call", async || env.model.ledger().len() == 2 * call - 1).await;
        env.workers.replace(KillScope::Group);
        eventually("the call again", async || env.model.ledger().len() == 2 * call).await;
    }
    invariants::assert_hold(&env, &started, None).await;
    assert_eq!(env.model.ledger().len(), 2 * MODEL_CALLS);
}

/// One run whose worker is killed at random moments.
async fn random_run(postgres: TestPostgres, name: &str, mut dice: Dice) {
    let env = postgres.fault_env(name).await;
    let started = env.start_run("p").await;
    env.workers.spawn();
    while env.read(started.run).await.run.step().is_some() {
        tokio::time::sleep(Duration::from_millis(600 + dice.below(1_024))).await;
        let job = CurrentJob::of(env.pool(), started.run).await;
        if job.is_some_and(|job| job.attempt + 1 < job.most) {
            env.workers.replace(KillScope::Process);
        }
    }
    invariants::assert_hold(&env, &started, None).await;
    invariants::assert_model_calls(&env, 1, env.workers.killed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f1_a_worker_killed_at_random_moments_leaves_no_trace() {
    let (postgres, seed) = (TestPostgres::start(), seed());
    let names = ["one", "two", "three"].into_iter().zip(1..);
    spawn_all(names.map(|(name, factor)| random_run(postgres.clone(), name, Dice::new(seed ^ factor)))).await;
}
