//! F2: the forge applies a change, and the response is lost. The next attempt looks before it acts again.

use std::time::Duration;

use aspora::{
    dev::github::{Fault, FaultRule},
    store::Pool,
};

use crate::{
    env::{FaultEnv, TestPostgres, invariants},
    support::skip_waits,
};

/// Every request that changes the forge, and which of them fail; the last is a push. Setting a check run to what it
/// is already has no second effect, so it is repeated until it is answered.
const CHANGES: [(&str, &str, u32); 5] = [
    ("POST", "/repos/**", EVERY),
    ("PUT", "/repos/**", EVERY),
    ("DELETE", "/repos/**", EVERY),
    ("PATCH", "/repos/**", 1),
    ("POST", "/**/git-receive-pack", EVERY),
];
const EVERY: u32 = 0;

/// Makes every change fail in this fault.
fn fail_changes(env: &FaultEnv, fault: Fault) {
    for (method, path, nth) in CHANGES {
        let rule = FaultRule { method: method.to_owned(), path: path.to_owned(), nth, fault };
        env.twin.inject(rule).unwrap();
    }
}

/// Skips the back-offs between attempts, for ever.
async fn skip_back_offs(pool: &Pool) {
    loop {
        skip_waits(pool).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A run that gets no answer to any change; each change is made once.
async fn assert_made_once(fault: Fault) {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    let started = env.start_run("p").await;
    fail_changes(&env, fault);
    env.workers.spawn();
    tokio::select! {
        _ = env.wait_for_end(&started) => {}
        () = skip_back_offs(env.pool()) => {}
    }
    invariants::assert_hold(&env, &started, None).await;
    invariants::assert_model_calls(&env, 1, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f2_a_change_that_was_applied_and_not_answered_is_not_made_twice() {
    assert_made_once(Fault::ApplyThenCut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f2_a_change_that_was_applied_and_answered_as_failed_is_not_made_twice() {
    assert_made_once(Fault::ApplyThenError(502)).await;
}
