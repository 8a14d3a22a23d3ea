//! Comments as GitHub has them: reactions, and what changed since a time.

use serde_json::json;

use super::{REPO, World};

#[tokio::test]
async fn a_reaction_is_made_once_an_account_and_content() {
    let world = World::new().await;
    world.open_pull().await;
    let id = world.twin.comment_as("ada", REPO, 1, "/aspora status").await.unwrap();
    let route = format!("issues/comments/{id}/reactions");
    let (status, made) = world.post(&route, json!({"content": "+1"})).await;
    assert_eq!((status, &made["content"]), (201, &json!("+1")));
    let (status, same) = world.post(&route, json!({"content": "+1"})).await;
    assert_eq!((status, &same["id"]), (200, &made["id"]));
    assert_eq!(world.post(&route, json!({"content": "eyes"})).await.0, 201);
    assert_eq!(world.post(&route, json!({"content": "lgtm"})).await.0, 422);
    assert_eq!(world.post("issues/comments/7/reactions", json!({"content": "+1"})).await.0, 404);
    assert_eq!(world.get(&route).await.1.as_array().unwrap().len(), 2);
    let comment = world.get(&format!("issues/comments/{id}")).await.1;
    let counts = (&comment["reactions"]["total_count"], &comment["reactions"]["+1"]);
    assert_eq!(counts, (&json!(2), &json!(1)));
    world.spec.assert_conforms();
}

#[tokio::test]
async fn comments_are_listed_that_changed_since_a_time() {
    let world = World::new().await;
    world.open_pull().await;
    world.twin.comment_as("ada", REPO, 1, "hi").await.unwrap();
    let listed = async |since: &str| {
        let (_, comments) = world.get(&format!("issues/1/comments?since={since}")).await;
        comments.as_array().unwrap().len()
    };
    assert_eq!((listed("2020-01-01T00:00:00Z").await, listed("2999-01-01T00:00:00Z").await), (1, 0));
    world.spec.assert_conforms();
}
