//! F22: a worker is asked to go while the model is slow.

use std::time::Duration;

use aspora::{dev::model::Fault, store};
use rustix::process::Signal;
use tokio::time::Instant;

use crate::{
    floor::{Begun, Floor, Ground, until},
    invariants,
};

/// A lease that nobody waits for in a test: a job is given back or it is not.
fn patient() -> (&'static str, String) {
    ("ASPORA_LEASE_MS", "120000".to_owned())
}

/// A run whose worker waits for the model, which takes its time.
async fn waiting(floor: &Floor, drain: Duration, answer_after: Duration) -> (Begun, u32) {
    let begun = floor.begin("p").await;
    floor.model.fail_next(Fault::Slow(answer_after));
    let worker = floor.crew.hire_with(&[("ASPORA_DRAIN_MS", drain.as_millis().to_string()), patient()]);
    until("the call of the model", async || (floor.model.ledger().len() == 1).then_some(())).await;
    (begun, worker)
}

async fn gone(floor: &Floor, worker: u32) {
    floor.crew.signal(worker, Signal::TERM);
    let status = until("the worker to go", async || floor.crew.ended(worker)).await;
    assert_eq!(status.code(), Some(0), "a worker that was asked to go goes in peace: {status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f22_a_worker_that_is_asked_to_go_finishes_what_it_can() {
    let ground = Ground::new();
    let floor = ground.floor("aspora").await;
    let (begun, worker) = waiting(&floor, Duration::from_secs(25), Duration::from_secs(2)).await;
    gone(&floor, worker).await;
    let attempts = store::attempt::of_run(floor.pool(), begun.run).await.unwrap();
    let ended: Vec<_> = attempts.iter().map(|attempt| attempt.ended_as.as_deref()).collect();
    assert_eq!(ended, [Some("answered")], "it finishes its attempt and begins no other");
    floor.crew.hire_with(&[patient()]);
    invariants::hold(&floor, &begun, Some(0)).await;
    invariants::model_was_asked(&floor, 1, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f22_a_worker_that_must_go_gives_its_job_back_to_be_begun_again_within_two_seconds() {
    let ground = Ground::new();
    let floor = ground.floor("aspora").await;
    let (begun, worker) = waiting(&floor, Duration::from_millis(200), Duration::from_secs(60)).await;
    floor.crew.hire_with(&[patient()]);
    let asked = Instant::now();
    gone(&floor, worker).await;
    let went = Instant::now();
    assert!(went - asked < Duration::from_secs(10), "it went only after {:?}", went - asked);
    let second = async || {
        let attempts = store::attempt::of_run(floor.pool(), begun.run).await.unwrap();
        attempts.into_iter().find(|attempt| attempt.attempt == 2)
    };
    let second = until("the second attempt", second).await;
    assert!(went.elapsed() < Duration::from_secs(2), "begun again only after {:?}", went.elapsed());
    assert!(!second.worker.ends_with(&format!("/{worker}")));
    invariants::hold(&floor, &begun, Some(1)).await;
    invariants::model_was_asked(&floor, 1, 1);
    let first = &store::attempt::of_run(floor.pool(), begun.run).await.unwrap()[0];
    let told = (first.ended_as.as_deref(), first.error.as_deref());
    assert_eq!(told, (Some("lost"), Some("the worker was shut down")), "nobody waited for its lease");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f22_a_job_that_was_given_back_has_as_many_attempts_left_as_before() {
    let ground = Ground::new();
    let floor = ground.floor("aspora").await;
    let (begun, worker) = waiting(&floor, Duration::ZERO, Duration::from_secs(60)).await;
    let before = store::job::standing(floor.pool(), begun.run).await.unwrap().unwrap();
    gone(&floor, worker).await;
    let after = store::job::standing(floor.pool(), begun.run).await.unwrap().unwrap();
    assert_ne!(after.state, aspora::core::job::JobState::Running);
    let left = |job: &aspora::core::why::Job| job.most - job.attempts;
    assert_eq!(left(&after), left(&before) + 1, "the attempt does not count");
}
