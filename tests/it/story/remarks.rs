//! What people's reviews ask for: it goes to remediation once, and a refusal is waited for.

use aspora::{
    dev::{github::ReviewEvent, model::Script},
    llm::Task,
};

use super::{
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, World},
};

/// The model fixes what asha asks for, and only that.
fn fixes() -> Script {
    let script = generates(&file("lib/round.py", "ROUND = 1"));
    let fix = file("lib/round.py", "ROUND = 2");
    with_clean_reviews(script.with(Task::Remediate, &["asha asks: Count from two"], &["out asks"], &fix))
}

async fn world() -> World {
    let world = World::with(|setup| {
        setup.ci = None;
        setup.script = fixes();
    })
    .await;
    world.twin.set_permission(REPO, "asha", "write").unwrap();
    world.twin.set_permission(REPO, "out", "read").unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn requested_changes_are_fixed_and_wait_for_who_asked() {
    let world = world().await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    let first = world.head(run).await;
    world.twin.review_as("asha", REPO, 1, ReviewEvent::RequestChanges, "Count from two").await.unwrap();
    let head = world.until_head_changes(run, &first).await;
    world.until_waiting_for(run, "asha to approve").await;
    world.pass_checks(&head).await;
    let asha = format!("asha to approve {} or to withdraw the request for changes", &head[..7]);
    world.until_waiting_only_for(run, &asha).await;
    assert_eq!((world.merges(), world.model_calls(Task::Remediate)), (0, 1), "no review is fixed twice");
    world.twin.review_as("asha", REPO, 1, ReviewEvent::Approve, "good").await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.merges(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dismissed_refusal_is_withdrawn_and_a_fix_by_command_is_made() {
    let world = world().await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    let first = world.head(run).await;
    world.twin.comment_as("asha", REPO, 1, "/aspora fix Count from two").await.unwrap();
    let head = world.until_head_changes(run, &first).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    let review = world.twin.review_as("asha", REPO, 1, ReviewEvent::RequestChanges, "Hm").await;
    world.twin.dismiss_review_as("chief", REPO, 1, review.unwrap()).await.unwrap();
    world.pass_checks(&head).await;
    assert_eq!(world.run_to_end(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_and_outsiders_reach_no_prompt_and_hold_nothing_up() {
    let world = world().await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    for (by, event) in [("asha", ReviewEvent::Draft), ("out", ReviewEvent::RequestChanges)] {
        world.twin.review_as(by, REPO, 1, event, "Count from two").await.unwrap();
    }
    world.pass_checks(&world.head(run).await).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.model_calls(Task::Remediate), 0);
}
