//! F22: a worker gets SIGTERM while it waits for a slow model.

use std::time::Duration;

use aspora::{dev::model::Fault, store};
use rustix::process::Signal;

use crate::{
    env::{FaultEnv, StartedRun, TestPostgres, invariants},
    support::wait::{eventually, until},
};

/// Longer than any test waits: what takes as long as this is never seen.
const TOO_LONG: Duration = Duration::from_secs(600);

/// A lease that does not expire during the test, so that only giving a job back frees it.
fn long_lease() -> (&'static str, String) {
    ("ASPORA_LEASE_MS", TOO_LONG.as_millis().to_string())
}

/// A run whose worker waits for the model; the worker's process id.
async fn waiting_for_model(env: &FaultEnv, drain: Duration, answer_after: Duration) -> (StartedRun, u32) {
    let started = env.start_run("p").await;
    env.model.fail_next(Fault::Slow(answer_after));
    let worker = env.workers.spawn_with(&[("ASPORA_DRAIN_MS", drain.as_millis().to_string()), long_lease()]);
    eventually("the call of the model", async || env.model.ledger().len() == 1).await;
    (started, worker)
}

async fn terminate(env: &FaultEnv, worker: u32) {
    env.workers.signal(worker, Signal::TERM);
    let status = until("the worker ends", async || env.workers.exit_status(worker)).await;
    assert_eq!(status.code(), Some(0), "a worker that was asked to stop ends with success: {status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f22_a_worker_that_is_asked_to_stop_finishes_the_attempts_that_it_can() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    let (started, worker) = waiting_for_model(&env, Duration::from_secs(25), Duration::from_secs(2)).await;
    terminate(&env, worker).await;
    let attempts = store::attempt::of_run(env.pool(), started.run).await.unwrap();
    let ended: Vec<_> = attempts.iter().map(|attempt| attempt.ended_as.as_deref()).collect();
    assert_eq!(ended, [Some("answered")], "it finishes its attempt and starts no other");
    env.workers.spawn_with(&[long_lease()]);
    invariants::assert_hold(&env, &started, Some(0)).await;
    invariants::assert_model_calls(&env, 1, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f22_a_worker_that_must_stop_gives_its_job_back_and_another_starts_it_before_the_lease_expires() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    let (started, worker) = waiting_for_model(&env, Duration::from_millis(200), TOO_LONG).await;
    env.workers.spawn_with(&[long_lease()]);
    terminate(&env, worker).await;
    let second = async || {
        let attempts = store::attempt::of_run(env.pool(), started.run).await.unwrap();
        attempts.into_iter().find(|attempt| attempt.attempt == 2)
    };
    let second = until("the second attempt", second).await;
    assert!(!second.worker.ends_with(&format!("/{worker}")));
    invariants::assert_hold(&env, &started, Some(1)).await;
    invariants::assert_model_calls(&env, 1, 1);
    let first = &store::attempt::of_run(env.pool(), started.run).await.unwrap()[0];
    let first = (first.ended_as.as_deref(), first.error.as_deref());
    assert_eq!(first, (Some("lost"), Some("the worker was shut down")), "it did not wait for its lease");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f22_a_job_that_was_given_back_has_as_many_attempts_left_as_before() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    let (started, worker) = waiting_for_model(&env, Duration::ZERO, TOO_LONG).await;
    let before = store::job::standing(env.pool(), started.run).await.unwrap().unwrap();
    terminate(&env, worker).await;
    let after = store::job::standing(env.pool(), started.run).await.unwrap().unwrap();
    assert_ne!(after.state, aspora::core::job::JobState::Running);
    let left = |job: &aspora::core::why::Job| job.most - job.attempts;
    assert_eq!(left(&after), left(&before) + 1, "the attempt does not count");
}
