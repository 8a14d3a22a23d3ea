//! Merging as GitHub does it: worked out later, at once or in the background, by any method.

use aspora::dev::github::Method as MergeMethod;
use serde_json::{Value, json};

use super::{REPO, World};
use crate::support::wait::until;

async fn pull(world: &World) -> Value {
    world.get("pulls/1").await.1
}

/// Waits until the background merge has ended.
async fn ended(world: &World, uuid: &str) -> Value {
    until("the merge ends", async || {
        let (status, result) = world.get(&format!("pulls/1/merge-async/{uuid}")).await;
        assert_eq!(status, 200);
        (result["status"] != "pending").then_some(result)
    })
    .await
}

#[tokio::test]
async fn whether_it_merges_is_null_until_it_is_worked_out_and_again_after_a_push() {
    let world = World::new().await;
    assert_eq!(world.open_pull().await.1["mergeable"], Value::Null);
    let shown = |pull: Value| (pull["mergeable"].clone(), pull["mergeable_state"].clone());
    let unknown = (Value::Null, json!("unknown"));
    assert_eq!(shown(pull(&world).await), unknown);
    let known = pull(&world).await;
    assert_eq!(shown(known.clone()), (json!(true), json!("clean")));
    let test_merge = known["merge_commit_sha"].as_str().unwrap().to_owned();
    let main = world.twin.branch(REPO, "main").await.unwrap();
    assert_ne!(Some(test_merge.clone()), main, "a test merge is on no branch");
    assert_eq!(world.get("pulls").await.1[0].get("mergeable"), None, "not in lists");
    world.twin.push_as("ada", REPO, "topic", &[("more.txt", b"more\n")]).await.unwrap();
    assert_eq!(shown(pull(&world).await), unknown);
    world.twin.set_mergeable_after(REPO, 0).unwrap();
    world.twin.push_as("ada", REPO, "topic", &[("more.txt", b"less\n")]).await.unwrap();
    assert_eq!(shown(pull(&world).await), (json!(true), json!("clean")));
    let merged = world.twin.merge_as("ada", REPO, 1).await.unwrap();
    let done = pull(&world).await;
    assert_eq!((&done["merge_commit_sha"], &done["merged_by"]["login"]), (&json!(merged), &json!("ada")));
    assert_ne!(merged, test_merge);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_merge_in_the_background_is_pending_then_merged_and_forgotten_after_a_day() {
    let world = World::new().await;
    world.open_pull().await;
    world.twin.hold_merges(REPO, true).unwrap();
    let body = json!({"sha": world.head, "merge_method": "squash"});
    let (status, asked) = world.put("pulls/1/merge-async", body.clone()).await;
    assert_eq!((status, &asked["status"]), (202, &json!("pending")));
    let details = &asked["details"];
    assert_eq!(
        (&details["expected_head_sha"], &details["merge_method"]),
        (&json!(world.head), &json!("squash"))
    );
    let uuid = details["uuid"].as_str().unwrap();
    let (status, again) = world.put("pulls/1/merge-async", json!({"merge_method": "merge"})).await;
    assert_eq!(
        (status, &again["details"]["uuid"], &again["details"]["merge_method"]),
        (409, &json!(uuid), &json!("squash"))
    );
    assert_eq!(world.get(&format!("pulls/1/merge-async/{uuid}")).await.1["status"], "pending");
    world.twin.hold_merges(REPO, false).unwrap();
    let merged = ended(&world, uuid).await;
    assert_eq!(merged["status"], "merged");
    let main = world.twin.branch(REPO, "main").await.unwrap();
    assert_eq!(merged["details"]["sha"], json!(main));
    let (status, done) = world.put("pulls/1/merge-async", body).await;
    assert_eq!((status, &done["details"]["sha"]), (200, &json!(main)));
    world.twin.forget_merges(REPO).unwrap();
    assert_eq!(world.get(&format!("pulls/1/merge-async/{uuid}")).await.0, 404);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_push_in_between_cancels_a_merge_in_the_background() {
    let world = World::new().await;
    world.open_pull().await;
    world.twin.hold_merges(REPO, true).unwrap();
    let (_, asked) = world.put("pulls/1/merge-async", json!({})).await;
    world.twin.push_as("ada", REPO, "topic", &[("more.txt", b"more\n")]).await.unwrap();
    world.twin.hold_merges(REPO, false).unwrap();
    let failed = ended(&world, asked["details"]["uuid"].as_str().unwrap()).await;
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["details"]["message"], "Head branch was modified. Review and try the merge again.");
    assert_eq!(pull(&world).await["merged"], false);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn rules_are_looked_at_when_the_merge_is_made_and_states_when_it_is_asked_for() {
    let world = World::new().await;
    world.open_pull().await;
    world.twin.set_mergeable_state(REPO, 1, Some("blocked")).unwrap();
    let (status, asked) = world.put("pulls/1/merge-async", json!({"sha": world.head})).await;
    assert_eq!(status, 202);
    let failed = ended(&world, asked["details"]["uuid"].as_str().unwrap()).await;
    assert_eq!(failed["details"]["message"], "Repository rule violations found");
    assert_eq!(world.put("pulls/1/merge", json!({"sha": world.head})).await.0, 405);
    assert_eq!(world.put("pulls/1/merge-async", json!({"merge_method": "octopus"})).await.0, 422);
    assert_eq!(world.put("pulls/9/merge-async", json!({})).await.0, 404);
    world.twin.close_pull("ada", REPO, 1).await.unwrap();
    let (status, refused) = world.put("pulls/1/merge-async", json!({})).await;
    assert_eq!((status, &refused["status"]), (400, &json!("failed")));
    world.twin.set_async_merges(REPO, false).unwrap();
    assert_eq!(world.put("pulls/1/merge-async", json!({})).await.0, 404);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn each_method_makes_its_own_commits_if_the_repository_allows_it() {
    for (method, parents) in [("merge", 2), ("squash", 1), ("rebase", 1)] {
        let world = World::new().await;
        world.open_pull().await;
        let main = world.twin.branch(REPO, "main").await.unwrap();
        let head = world.twin.push_as("ada", REPO, "topic", &[("more.txt", b"more\n")]).await.unwrap();
        let body = json!({"sha": head, "merge_method": method});
        world.twin.set_merge_methods(REPO, &[]).unwrap();
        let (status, refused) = world.put("pulls/1/merge", body.clone()).await;
        assert_eq!(status, 405);
        assert!(refused["message"].as_str().unwrap().ends_with("are not allowed on this repository."));
        let all = [MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase];
        world.twin.set_merge_methods(REPO, &all).unwrap();
        let (status, merged) = world.put("pulls/1/merge", body).await;
        assert_eq!(status, 200, "{merged}");
        let (_, commit) = world.get(&format!("commits/{}", merged["sha"].as_str().unwrap())).await;
        assert_eq!(commit["parents"].as_array().unwrap().len(), parents, "{method}");
        let is_on_main = commit["parents"][0]["sha"] == json!(main);
        assert_eq!(is_on_main, method != "rebase", "a rebase of two commits has its first in between");
        let more = world.twin.main_file(REPO, "more.txt").await.unwrap();
        assert_eq!(more.as_deref(), Some(&b"more\n"[..]), "{method}");
        world.spec.assert_conforms();
    }
}

#[tokio::test]
async fn a_stack_is_merged_from_the_bottom_up_and_all_or_nothing() {
    let world = World::new().await;
    world.open_pull().await;
    world.twin.push_as("ada", REPO, "above", &[("above.txt", b"above\n")]).await.unwrap();
    let above = json!({"title": "Above", "head": "above", "base": "main"});
    assert_eq!(world.post("pulls", above).await.0, 201);
    let stack = json!({"pull_requests": [1, 2]});
    let (status, refused) = world.post("stacks", stack.clone()).await;
    assert_eq!(status, 422);
    assert!(refused["message"].as_str().unwrap().starts_with("Pull requests must form a stack, "));
    assert_eq!(world.post("stacks", json!({"pull_requests": [1, 9]})).await.0, 422);
    world.twin.stack_as("ada", REPO, &[1, 2]).await.unwrap();
    let (status, refused) = world.post("stacks", stack).await;
    assert_eq!((status, &refused["message"]), (422, &json!("Pull request #1 is already part of a stack")));
    let place = world.get("pulls/2").await.1["stack"].clone();
    assert_eq!((&place["position"], &place["base"]["ref"]), (&json!(2), &json!("main")));
    let listed = world.get("stacks?pull_request=2").await.1;
    assert_eq!(listed[0]["pull_requests"][0]["head"]["sha"], json!(world.head));
    assert_eq!(world.put("pulls/2/merge", json!({})).await.0, 405, "only in the background");
    let (_, asked) = world.put("pulls/2/merge-async", json!({})).await;
    let uuid = asked["details"]["uuid"].as_str().unwrap().to_owned();
    let done = until("the stack is merged", async || {
        let result = world.get(&format!("pulls/2/merge-async/{uuid}")).await.1;
        (result["status"] != "pending").then_some(result)
    });
    assert_eq!(done.await["status"], "merged");
    for number in [1, 2] {
        assert_eq!(world.get(&format!("pulls/{number}")).await.1["merged"], true);
    }
    assert!(world.twin.main_file(REPO, "above.txt").await.unwrap().is_some());
    assert!(world.twin.main_file(REPO, "risk.py").await.unwrap().is_some());
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_branch_with_a_queue_is_merged_by_its_queue_alone() {
    let world = World::new().await;
    world.open_pull().await;
    world.twin.demand_queue(REPO, "main").unwrap();
    world.twin.hold_queue(REPO, true).unwrap();
    let (status, refused) = world.put("pulls/1/merge", json!({"sha": world.head})).await;
    assert_eq!(status, 405);
    assert!(refused["message"].as_str().unwrap().contains("Changes must be made through the merge queue"));
    let (_, asked) = world.put("pulls/1/merge-async", json!({"sha": world.head})).await;
    let queued = ended(&world, asked["details"]["uuid"].as_str().unwrap()).await;
    assert_eq!(queued["status"], "enqueued");
    assert_eq!(world.put("pulls/1/merge-async", json!({})).await.1["status"], "enqueued");
    world.twin.throw_out(REPO, 1, "CI_FAILURE").await.unwrap();
    assert_eq!(pull(&world).await["merged"], false);
    assert_eq!(world.put("pulls/1/merge-async", json!({})).await.0, 202);
    world.twin.hold_queue(REPO, false).unwrap();
    until("the queue lands it", async || (pull(&world).await["merged"] == true).then_some(())).await;
    assert_eq!(pull(&world).await["merged_by"]["login"], "github-merge-queue[bot]");
    world.spec.assert_conforms();
}
