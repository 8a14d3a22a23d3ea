//! F3: Postgres crashes again and again while the worker lives on.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aspora::dev::github::{Phase, RequestSeen};

use crate::{
    boundary::CurrentJob,
    env::{Crash, FaultEnv, StartedRun, TestPostgres, block_on, invariants, spawn_all},
};

/// The places where Postgres has crashed: step, visit, request.
type Crashed = Arc<Mutex<BTreeSet<(String, u32, String)>>>;

/// Whether Postgres crashes around this request: before the first one of a step, and after each that changes the
/// forge, whose record is then lost. The third attempt of a job is left alone, as back-offs grow.
fn crashes_at(job: &CurrentJob, request: &RequestSeen, phase: Phase, crashed: &Crashed) -> bool {
    let place = match phase {
        Phase::Before => "first request".to_owned(),
        Phase::AfterApply if request.mutating => {
            format!("{} {}", request.method, request.path.rsplit('/').next().unwrap_or_default())
        }
        Phase::AfterApply => return false,
    };
    job.attempt < 3 && crashed.lock().unwrap().insert((job.step.clone(), job.visit, place))
}

/// A run during which Postgres crashes wherever it has not yet; how often it did.
async fn survive(crash: Crash, crashed: Crashed) -> usize {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    let started = env.start_run("p").await;
    let crashes = crash_on_requests(&postgres, &env, &started, crash, crashed);
    let worker = env.workers.spawn();
    env.wait_for_end(&started).await;
    assert_eq!(env.workers.exit_status(worker), None, "the worker lives on");
    let crashes = crashes.load(Ordering::SeqCst);
    invariants::assert_hold(&env, &started, None).await;
    invariants::assert_model_calls(&env, 1, crashes);
    crashes
}

/// Crashes Postgres in the twin's hook; the number of crashes so far.
fn crash_on_requests(
    postgres: &TestPostgres,
    env: &FaultEnv,
    started: &StartedRun,
    crash: Crash,
    crashed: Crashed,
) -> Arc<AtomicUsize> {
    let (pool, run, postgres) = (env.pool().clone(), started.run, postgres.clone());
    let crashes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&crashes);
    env.twin.on_request(Arc::new(move |request, phase| {
        let Some(job) = block_on(CurrentJob::of(&pool, run)) else { return };
        if crashes_at(&job, request, phase, &crashed) {
            println!("{crash:?} {phase:?} {} {} at {job:?}", request.method, request.path);
            counter.fetch_add(1, Ordering::SeqCst);
            postgres.crash(crash);
        }
    }));
    crashes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f3_postgres_that_crashes_at_every_step_loses_nothing_that_was_committed() {
    let crashed = Crashed::default();
    let both = [Crash::Kill, Crash::ImmediateShutdown].map(|crash| survive(crash, Arc::clone(&crashed)));
    let crashes = spawn_all(both).await;
    let places = crashed.lock().unwrap().len();
    assert!(places >= 16 && crashes.iter().all(|count| *count >= 3), "{crashes:?} at {places} places");
}

/// Some commits are not acknowledged: their backend dies while it records a call of the model, a claim or an event.
/// The worker can only find out by reading again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f3_backends_killed_after_any_event_lose_nothing_that_was_committed() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    env.workers.spawn();
    // A worker has few connections, so it takes several runs until enough of them were cut.
    let (mut all, mut cuts) = (Vec::new(), 0);
    while cuts < 8 {
        let started = env.start_run(&format!("p{}", all.len())).await;
        cuts += cut_after_each_event(&env, &started).await;
        all.push(started);
    }
    for started in &all {
        invariants::assert_hold(&env, started, None).await;
    }
    invariants::assert_model_calls(&env, all.len(), usize::try_from(cuts).unwrap());
}

/// Cuts every connection of the workers after each event that is seen; how many were cut.
async fn cut_after_each_event(env: &FaultEnv, started: &StartedRun) -> i64 {
    let (mut version, mut cuts) = (1, 0);
    loop {
        let stored = env.wait_for_event(started, version).await;
        if stored.run.step().is_none() {
            return cuts;
        }
        version = stored.version;
        let cut: i64 = sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and application_name like 'aspora%' and pid <> pg_backend_pid()",
        )
        .fetch_one(env.pool())
        .await
        .unwrap();
        cuts += cut;
    }
}
