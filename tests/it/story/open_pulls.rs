//! How many pull requests of ours may be open in a repository at once.

use aspora::{dev::Acting, llm::Task, store::product};
use serde_json::json;

use super::{
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn t30_a_run_beyond_the_open_pull_requests_of_its_product_waits_before_a_model_is_paid() {
    let world = World::with(|setup| {
        setup.acting = Acting::App;
        setup.ci = None;
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    product::cap_pulls(&world.pool, &"wealth".parse().unwrap(), Some(1)).await.unwrap();
    let first = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(first, "CI Pipeline").await;
    let second = world.submit(COUNT_ROUNDS).await;
    let reason = world.until_waiting_for(second, "our pull requests").await;
    assert_eq!(
        reason,
        format!("one of our pull requests in {REPO} to be merged or closed; at most 1 may be open")
    );
    assert_eq!((world.model_calls(Task::Generate), world.twin.pulls(REPO).len()), (1, 1));
    // The run gives up; its pull request stays open, and so does the door stay closed.
    world.control(first, "cancel", &json!({ "reason": "not now" })).await;
    let looks = world.events(second).await.len();
    world.eventually("another look", async || world.events(second).await.len() > looks + 2).await;
    assert_eq!(world.model_calls(Task::Generate), 1);
    world.twin.close_pull("asha", REPO, 1).await.unwrap();
    world.until_waiting_for(second, "CI Pipeline").await;
    assert_eq!((world.model_calls(Task::Generate), world.twin.pulls(REPO).len()), (2, 2));
}
