//! F12: the head moves between the verdict and the merge.

use std::sync::Arc;

use aspora::{
    core::run::{Event, State},
    core::workflow::Outcome,
    dev::github::Phase,
    store,
};

use crate::env::{TestPostgres, block_on, invariants};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f12_a_head_that_moves_while_the_merge_is_under_way_is_not_merged() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    let started = env.start_run("p").await;
    let (twin, repository) = (Arc::downgrade(&env.twin), started.repository.clone());
    let branch = env.read(started.run).await.spec.branch;
    env.twin.on_request(Arc::new(move |request, phase| {
        if phase == Phase::Before && request.method == "PUT" && request.path.ends_with("/merge-async") {
            let twin = twin.upgrade().unwrap();
            let files: [(&str, &[u8]); 1] = [("formatters/mean.py", b"unjudged\n")];
            block_on(twin.push_as("mallory", &repository, &branch, &files)).unwrap();
        }
    }));
    env.workers.spawn();
    let stored = env.wait_for_halt(&started).await;
    let taken_over =
        |state: &State| matches!(state, State::Paused(pause) if pause.takeover && pause.by == "mallory");
    assert!(taken_over(&stored.run.state), "{:?}", stored.run.state);
    let [pull] = env.twin.pulls(&started.repository).try_into().unwrap();
    assert_eq!(pull.merge, None, "that head has no verdict");
    invariants::assert_history_folds(&env, &stored).await;
    let events = store::event::after(env.pool(), started.run, 0, 1000).await.unwrap();
    let moved = |event: &Event| matches!(event, Event::Answered { outcome: Outcome::Moved, .. });
    assert_eq!(events.iter().filter(|event| moved(&event.body.0)).count(), 1, "it went back to the gate");
}
