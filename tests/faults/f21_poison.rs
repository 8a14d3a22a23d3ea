//! F21: a job that kills every worker that takes it, a poison pill.

use std::sync::{
    Arc,
    atomic::{AtomicI32, Ordering},
};

use aspora::{
    core::{
        run::{Event, State},
        workflow::End,
    },
    dev::github::Phase,
    store,
};
use uuid::Uuid;

use crate::{
    env::{FaultEnv, KillScope, LEASE, StubRuns, TestPostgres, block_on, invariants, stub_workers},
    support::eventually,
};

/// Kills every worker that begins to fetch the poisonous product, once the neighbour has moved on by a step. A run
/// beside the poison loses that attempt too, so five kills at once could use up a neighbour's attempts.
fn kill_at_poison(env: &FaultEnv, neighbour: Uuid) {
    let (pool, workers, known) = (env.pool().clone(), env.workers.clone(), AtomicI32::new(0));
    env.twin.on_request(Arc::new(move |request, phase| {
        if phase != Phase::Before || request.path != "/acme/poison.git/info/refs" {
            return;
        }
        block_on(eventually("the neighbour's next event", async || {
            let stored = store::run::get(&pool, neighbour).await.unwrap().unwrap();
            let has_moved = stored.version > known.load(Ordering::SeqCst) || stored.run.step().is_none();
            known.fetch_max(stored.version, Ordering::SeqCst);
            has_moved
        }));
        workers.replace(KillScope::Group);
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f21_a_job_that_kills_its_workers_is_a_dead_letter_and_its_neighbour_finishes() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    let neighbour = env.start_run("neighbour").await;
    let poison = env.start_run("poison").await;
    kill_at_poison(&env, neighbour.run);
    env.workers.spawn();

    let stored = env.wait_for_end(&poison).await;
    let State::Ended { end: End::Blocked, reason, .. } = &stored.run.state else {
        panic!("not blocked: {:?}", stored.run.state)
    };
    let parts = ["`generate` failed 5 times", "ended with its worker"];
    assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    invariants::assert_history_folds(&env, &stored).await;
    let events = store::event::after(env.pool(), poison.run, 0, 100).await.unwrap();
    let [_, exhausted] = &events[..] else { panic!("{events:?}") };
    assert!(matches!(exhausted.body.0, Event::Exhausted { attempts: 5, .. }), "{exhausted:?}");
    let attempts = store::attempt::of_run(env.pool(), poison.run).await.unwrap();
    assert_eq!(attempts.len(), 5, "as many attempts as the step may take: {attempts:?}");
    assert!(attempts.iter().all(|attempt| attempt.ended_as.as_deref() == Some("lost")));
    let letters = "select count(*) from dead_letter where run_id = $1 and attempts = 5";
    assert_eq!(invariants::count(env.pool(), letters, &poison).await, 1);
    assert_eq!(env.workers.killed(), 5);

    invariants::assert_hold(&env, &neighbour, None).await;
    invariants::assert_model_calls(&env, 1, env.workers.killed());
}

/// The poisonous job has many neighbours, and each worker that dies held some of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f21_one_aborting_job_among_a_thousand_dies_at_its_limit_and_the_others_finish() {
    let postgres = TestPostgres::start();
    let url = postgres.create_database("stub");
    let mut stub_runs = StubRuns::open(&url, 2).await;
    let accepted = stub_runs.start(1_000).await;
    let (poison, folder) = (accepted[500], tempfile::tempdir().unwrap());
    let deadly = poison.to_string();
    let args = ["--drain-ms", "5000", "--answers-within-ms", "20", "--deadly", &deadly];
    let workers = stub_workers(&url, LEASE, &args, folder.path());
    let pool = stub_runs.engine().pool().clone();
    stub_runs.wait_for_all(&workers, || workers.top_up(2)).await;

    let tally = stub_runs.tally().await;
    assert_eq!((tally.lost, tally.uneven, tally.unfinished, tally.given_up), (0, 0, 0, 1), "{tally:?}");
    let died: (Uuid, i32) =
        sqlx::query_as("select run_id, attempts from dead_letter").fetch_one(&pool).await.unwrap();
    assert_eq!(died, (poison, 5), "at exactly its limit");
    let attempts = store::attempt::of_run(&pool, poison).await.unwrap();
    assert_eq!(attempts.len(), 5);
    assert!(attempts.iter().all(|attempt| attempt.ended_as.as_deref() == Some("lost")), "{attempts:?}");
    invariants::assert_store_is_sound(stub_runs.engine()).await;
}
