//! F12: the head moves between the verdict and the merge.

use std::sync::Arc;

use aspora::{
    core::run::{Event, State},
    core::workflow::{End, Outcome},
    dev::github::Phase,
    store,
};

use crate::{
    floor::{Ground, here},
    invariants,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f12_a_head_that_moves_when_the_merge_is_on_its_way_is_not_merged() {
    let ground = Ground::new();
    let floor = ground.floor("aspora").await;
    let begun = floor.begin("p").await;
    let (twin, repository) = (Arc::downgrade(&floor.twin), begun.repository.clone());
    let branch = floor.look(begun.run).await.spec.branch;
    floor.twin.on_request(Arc::new(move |request, phase| {
        if phase == Phase::Before && request.method == "PUT" && request.path.ends_with("/merge") {
            let twin = twin.upgrade().unwrap();
            let files: [(&str, &[u8]); 1] = [("formatters/mean.py", b"unjudged\n")];
            here(twin.push_as("mallory", &repository, &branch, &files)).unwrap();
        }
    }));
    floor.crew.hire();
    let stored = floor.ended(&begun).await;
    assert!(matches!(stored.run.state, State::Ended { end: End::Blocked, .. }), "{:?}", stored.run.state);
    let [pull] = floor.twin.pulls(&begun.repository).try_into().unwrap();
    assert_eq!(pull.merge, None, "nobody judged that head");
    invariants::history_folds_to_the_state(&floor, &stored).await;
    let events = store::event::after(floor.pool(), begun.run, 0, 1000).await.unwrap();
    let moved = |event: &Event| matches!(event, Event::Answered { outcome: Outcome::Moved, .. });
    assert_eq!(events.iter().filter(|event| moved(&event.body.0)).count(), 1, "it went back to the gate");
}
