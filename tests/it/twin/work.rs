//! Issues that are closed, and deployments, as GitHub has them.

use aspora::dev::github::{APP, Webhook};
use reqwest::Method;
use serde_json::json;

use super::{REPO, World, operation::receiver};
use crate::{actions::machine::token, support::webhooks::assert_conform};

#[tokio::test]
async fn an_issue_is_closed_by_hand_and_by_the_merge_that_names_it() {
    let world = World::new().await;
    let (received, url) = receiver().await;
    let app = world.twin.register_app(APP).unwrap().id;
    world.twin.subscribe(app, &["issues".to_owned()]).unwrap();
    world.twin.set_webhook(Some(Webhook { url, secret: "s".into() }));
    let number = world.twin.open_issue_as("ada", REPO, "Wrong sums", &["harness-gap"]).await.unwrap();
    let path = format!("issues/{number}");
    let (_, closed) = world.patch(&path, json!({"state": "closed", "state_reason": "not_planned"})).await;
    assert_eq!((&closed["state"], &closed["state_reason"]), (&json!("closed"), &json!("not_planned")));
    let listed = async |state: &str| {
        world.get(&format!("issues?labels=harness-gap{state}")).await.1.as_array().unwrap().len()
    };
    assert_eq!((listed("").await, listed("&state=closed").await, listed("&state=all").await), (0, 1, 1));
    assert_eq!(world.patch(&path, json!({"state": "gone"})).await.0, 422);
    assert_eq!(world.get("issues/99").await.0, 404);
    let (_, open) = world.patch(&path, json!({"state": "open"})).await;
    assert_eq!((&open["closed_at"], &open["state_reason"]), (&json!(null), &json!("reopened")));
    let (_, labels) = world.post(&format!("{path}/labels"), json!({"labels": ["bug", "harness-gap"]})).await;
    assert_eq!(labels.as_array().unwrap().len(), 2);

    world.open_pull().await;
    let pull = world.twin.pulls(REPO)[0].number;
    world.patch(&format!("pulls/{pull}"), json!({"body": format!("Fixes #{number}")})).await;
    world.twin.merge_as("ada", REPO, pull).await.unwrap();
    assert_eq!(world.get(&path).await.1["state"], "closed");
    let query = "query($n: Int!) { repository(owner: \"acme\", name: \"wealth\") { issue(number: $n) { state \
        closedByPullRequestsReferences(first: 10, includeClosedPrs: true) { nodes { number merged } } } } }";
    let query = query.replace("acme", REPO.split('/').next().unwrap());
    let query = query.replace("wealth", REPO.split('/').next_back().unwrap());
    let url = format!("{}/graphql", world.twin.url());
    let asked = async |permissions: &str| {
        let request =
            reqwest::Client::new().post(&url).json(&json!({"query": query, "variables": {"n": number}}));
        let request = request.bearer_auth(token(&world.twin, REPO, Some(permissions)));
        request.send().await.unwrap().json::<serde_json::Value>().await.unwrap()
    };
    let answer = asked("issues=write,pull-requests=read").await;
    let issue = &answer["data"]["repository"]["issue"];
    let closing = &issue["closedByPullRequestsReferences"]["nodes"];
    assert_eq!(*closing, json!([{"number": pull, "merged": true}]), "{answer:#}");
    assert_eq!(asked("issues=write").await["errors"][0]["type"], "FORBIDDEN");

    world.twin.settled().await;
    let sent = world.twin.webhooks().sent();
    let actions: Vec<_> = sent
        .iter()
        .filter(|it| it.event == "issues")
        .map(|it| it.payload["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["opened", "labeled", "closed", "reopened", "labeled", "closed"]);
    assert_conform(&sent);
    world.spec.assert_conforms();
    drop(received);
}

#[tokio::test]
async fn a_deployment_asks_for_green_checks_and_its_states_follow_one_another() {
    let world = World::new().await;
    world.open_pull().await;
    let new = |more: serde_json::Value| {
        let mut new = json!({"ref": world.head, "environment": "staging"});
        new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        new
    };
    world.twin.set_status_as("ada", REPO, &world.head, ("ci", "failure", "")).await.unwrap();
    let (status, refused) = world.post("deployments", new(json!({}))).await;
    assert_eq!(status, 409);
    assert!(refused["message"].as_str().unwrap().starts_with("Conflict: Commit status checks failed for"));
    assert_eq!(world.post("deployments", new(json!({"required_contexts": ["other"]}))).await.0, 409);
    assert_eq!(world.post("deployments", json!({"ref": "nowhere"})).await.0, 422);
    let unasked = json!({"required_contexts": [], "payload": {"why": "now"}});
    let (status, first) = world.post("deployments", new(unasked.clone())).await;
    assert_eq!((status, &first["sha"], &first["task"]), (201, &json!(world.head), &json!("deploy")));
    let states = format!("deployments/{}/statuses", first["id"]);
    assert_eq!(world.post(&states, json!({"state": "fine"})).await.0, 422);
    let long = json!({"state": "success", "description": "x".repeat(141)});
    assert_eq!(world.post(&states, long).await.0, 422);
    assert_eq!(world.post("deployments/7/statuses", json!({"state": "success"})).await.0, 404);
    let (status, shown) =
        world.post(&states, json!({"state": "success", "environment_url": "https://staging.example"})).await;
    assert_eq!((status, &shown["environment"]), (201, &json!("staging")));
    // A newer one that succeeds makes it inactive.
    let (_, second) = world.post("deployments", new(unasked)).await;
    world.post(&format!("deployments/{}/statuses", second["id"]), json!({"state": "success"})).await;
    let (_, all) = world.get(&states).await;
    let all: Vec<_> = all.as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(all, ["inactive", "success"], "the newest first");
    assert_eq!(world.get(&format!("deployments?sha={}", world.head)).await.1.as_array().unwrap().len(), 2);
    assert_eq!(world.get(&format!("deployments/{}", first["id"])).await.1["payload"]["why"], "now");
    let url = format!("{}/repos/{REPO}/deployments", world.twin.url());
    let reader = token(&world.twin, REPO, Some("deployments=read"));
    let request = reqwest::Client::new().request(Method::POST, url).bearer_auth(reader);
    let answer = request.json(&json!({"ref": world.head})).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    world.spec.assert_conforms();
}
