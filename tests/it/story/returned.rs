//! A commit that was the head before and is pushed back: nothing from before counts for it.

use aspora::{core::run::State, dev::github::ReviewEvent, llm::Task};
use uuid::Uuid;

use super::{
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, World},
};

const PEOPLE: [&str; 2] = ["asha", "bilal"];

async fn approve(world: &World) {
    for person in PEOPLE {
        world.twin.review_as(person, REPO, 1, ReviewEvent::Approve, "good").await.unwrap();
    }
}

/// What the run waits for now.
async fn awaited(world: &World, run: Uuid) -> String {
    match world.run(run).await.run.state {
        State::Waiting { park, .. } => park.reason,
        State::At { .. } | State::Paused { .. } | State::Ended { .. } => String::new(),
    }
}

/// Waits until the forge's clock, which counts seconds, has moved on.
async fn next_second(world: &World) {
    let then = chrono::Utc::now().timestamp();
    world.eventually("the next second begins", async || chrono::Utc::now().timestamp() > then).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j6_approvals_from_before_an_old_head_was_pushed_back_do_not_count() {
    let world = World::with(|setup| {
        setup.ci = None;
        let path = "db/migrations/0002_round.sql";
        setup.script = with_clean_reviews(generates(&file(path, "create table round (n int);")));
    })
    .await;
    for person in PEOPLE {
        world.twin.set_permission(REPO, person, "write").unwrap();
    }
    let run = world.submit(COUNT_ROUNDS).await;
    let reason = world.until_waiting_for(run, "2 of 2 approvals by people on ").await;
    assert!(reason.contains("CI Pipeline (not reported)"), "{reason}");
    approve(&world).await;
    world
        .eventually("the approvals count", async || {
            let reason = awaited(&world, run).await;
            reason.contains("CI Pipeline") && !reason.contains("approvals")
        })
        .await;
    world.stop_worker().await;
    next_second(&world).await;
    let (head, branch) = (world.head(run).await, world.twin.pulls(REPO)[0].head_ref.clone());
    world.push_as("stranger", &branch, "lib/other.py", "OTHER = 1\n").await;
    world.twin.force_push_as("stranger", REPO, &branch, &head).await.unwrap();
    world.start_worker(|_| {});
    next_second(&world).await;
    world.pass_checks(&head).await;
    for check in ["harness-integration", "Security Scan"] {
        world.twin.set_check("scanner", REPO, &head, check, Some("success")).await.unwrap();
    }
    let approvals = format!("2 of 2 approvals by people on {}, reset by a new push", &head[..7]);
    world.until_waiting_only_for(run, &approvals).await;
    assert_eq!(world.model_calls(Task::Review), 2, "the review from before does not count either");
    approve(&world).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.merges(), 1);
}
