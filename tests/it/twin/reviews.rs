//! Reviews as GitHub has them: pending ones, own pull requests, deleted accounts, lost commits.

use aspora::dev::github::ReviewEvent;
use serde_json::json;

use super::{REPO, World};

#[tokio::test]
async fn a_review_without_an_event_is_pending_and_there_is_one_a_person() {
    let world = World::new().await;
    world.open_pull().await;
    let (status, made) = world.post("pulls/1/reviews", json!({"body": "draft"})).await;
    assert_eq!((status, &made["state"]), (200, &json!("PENDING")));
    assert!(made.get("submitted_at").is_none(), "{made}");
    let (status, refused) = world.post("pulls/1/reviews", json!({"body": "another"})).await;
    let reason = json!(["User can only have one pending review per pull request"]);
    assert_eq!((status, &refused["errors"]), (422, &reason));
    world.spec.assert_conforms();
}

#[tokio::test]
async fn nobody_approves_or_refuses_their_own_pull_request() {
    let world = World::new().await;
    world.open_pull().await;
    let (status, refused) = world.post("pulls/1/reviews", json!({"event": "APPROVE"})).await;
    assert_eq!((status, &refused["message"]), (422, &json!("Unprocessable Entity")));
    assert_eq!(refused["errors"], json!(["Review Can not approve your own pull request"]));
    let refuse = json!({"event": "REQUEST_CHANGES", "body": "no"});
    assert_eq!(world.post("pulls/1/reviews", refuse).await.0, 422);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn one_comment_outside_the_diff_refuses_the_whole_review() {
    let world = World::new().await;
    world.open_pull().await;
    let at = |line: u64| json!({"path": "risk.py", "line": line, "side": "RIGHT", "body": "why?"});
    let review = json!({"event": "COMMENT", "body": "hm", "comments": [at(1), at(99)]});
    let (status, refused) = world.post("pulls/1/reviews", review).await;
    let reason = json!(["pull_request_review_thread.line must be part of the diff"]);
    assert_eq!((status, &refused["errors"]), (422, &reason));
    assert!(world.twin.reviews(REPO).is_empty() && world.twin.review_comments(REPO).is_empty());
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_deleted_account_a_lost_fork_and_a_lost_commit_are_null() {
    let world = World::new().await;
    world.open_pull().await;
    world.twin.review_as("ada", REPO, 1, ReviewEvent::Comment, "hm").await.unwrap();
    world.twin.delete_account(REPO, "ada").unwrap();
    world.twin.lose_fork(REPO, 1).unwrap();
    world.twin.collect_garbage(REPO, &world.head).unwrap();
    let reviews = world.get("pulls/1/reviews").await.1;
    assert_eq!((&reviews[0]["user"], &reviews[0]["commit_id"]), (&json!(null), &json!(null)));
    world.spec.assert_conforms();
    // GitHub's description has no null here: github/rest-api-description#1811.
    let pull = world.get("pulls/1").await.1;
    assert_eq!((&pull["head"]["repo"], &pull["head"]["ref"]), (&json!(null), &json!("topic")));
}
