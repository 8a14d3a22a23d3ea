//! F7: the model takes its time. The lease is kept meanwhile, and no call is made twice for want of patience.

use std::time::Duration;

use aspora::dev::model::Fault;

use crate::{floor::Ground, invariants, product::MODEL_CALLS};

/// Long enough for a busy machine, and short beside an answer.
const LEASE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f7_an_answer_that_takes_several_leases_is_waited_for_and_paid_once() {
    let ground = Ground::new();
    let floor = ground.floor("aspora").await;
    let begun = floor.begin("p").await;
    for _ in 0..2 {
        floor.model.fail_next(Fault::Slow(LEASE * 4));
    }
    floor.crew.hire_with(&[("ASPORA_LEASE_MS", LEASE.as_millis().to_string())]);
    invariants::hold(&floor, &begun, Some(0)).await;
    assert_eq!(floor.model.ledger().len(), MODEL_CALLS);
}
