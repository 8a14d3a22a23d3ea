//! F7: the model is slow. The worker keeps its lease meanwhile and makes no call twice.

use std::time::Duration;

use aspora::dev::model::Fault;

use crate::env::{TestPostgres, invariants, product::MODEL_CALLS};

/// Long enough for a busy machine, and much shorter than an answer takes.
const LEASE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f7_an_answer_that_takes_several_leases_is_awaited_and_paid_once() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    let started = env.start_run("p").await;
    for _ in 0..2 {
        env.model.fail_next(Fault::Slow(LEASE * 4));
    }
    env.workers.spawn_with(&[("ASPORA_LEASE_MS", LEASE.as_millis().to_string())]);
    invariants::assert_hold(&env, &started, Some(0)).await;
    assert_eq!(env.model.ledger().len(), MODEL_CALLS);
}
