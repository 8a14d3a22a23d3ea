//! What followed a merge, over REST: deployments as webhooks announce them, and runs that revert.

use axum::{body::Body, http::StatusCode};
use serde_json::{Value, json};

use super::{MERGED, World, is_problem, merge, post, webhooks::deliver};

fn deployment(id: i64, sha: &str) -> Value {
    json!({
        "id": id, "sha": sha, "ref": "main", "task": "deploy", "environment": "production",
        "original_environment": "production", "description": "a release", "creator": {"login": "mira"},
        "production_environment": true, "created_at": "2026-11-01T10:00:00Z",
    })
}

fn status(id: i64, state: &str, second: u32) -> Value {
    json!({
        "id": id, "state": state, "description": "", "environment": "production", "creator": {"login": "mira"},
        "log_url": "https://ci.test/1", "environment_url": "", "created_at": format!("2026-11-01T10:00:{second:02}Z"),
    })
}

fn payload(repository: &str, deployment: &Value, status: Option<Value>) -> String {
    let status = status.map_or_else(|| json!({}), |status| json!({ "deployment_status": status }));
    let mut payload =
        json!({"action": "created", "repository": {"full_name": repository}, "deployment": deployment});
    payload.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
    payload.to_string()
}

#[tokio::test]
async fn deployments_are_stored_once_and_late_news_is_put_in_order() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    merge(&world, run).await;
    let send = async |event: &str, status: Option<Value>, id: &str| {
        let body = payload("acme/wealth-product", &deployment(5, MERGED), status);
        deliver(&world, event, &body, id).await.body
    };
    let success = send("deployment_status", Some(status(12, "success", 9)), "d1").await;
    assert_eq!(success["reason"], "deployment of fedcba9 to `production`: success");
    assert_eq!(send("deployment_status", Some(status(12, "success", 9)), "d1").await["result"], "known");
    assert_eq!(send("deployment_status", Some(status(12, "success", 9)), "d2").await["result"], "stored");
    assert_eq!(send("deployment", None, "d3").await["result"], "stored");
    send("deployment_status", Some(status(11, "in_progress", 9)), "d4").await;
    send("deployment_status", Some(status(10, "queued", 1)), "d5").await;
    assert_eq!((world.count("deployment").await, world.count("deployment_status").await), (1, 3));
    let after = world.get(&format!("/api/v1/runs/{run}/after-merge")).await.body;
    let found = &after["deployments"][0];
    let states: Vec<_> = found["statuses"].as_array().unwrap().iter().map(|it| it["state"].clone()).collect();
    assert_eq!(states, ["queued", "in_progress", "success"]);
    assert_eq!(
        (&found["state"], &found["environment"], &found["creator"]),
        (&json!("success"), &json!("production"), &json!("mira"))
    );
    assert_eq!(found["url"], "https://ci.test/1");
    assert_eq!(after["merged"], MERGED);
    let page = world.page(&format!("/runs/{run}")).await;
    assert!(page.contains("After the merge") && page.contains("https://ci.test/1"), "{page}");
}

#[tokio::test]
async fn what_is_no_deployment_of_a_product_is_not_stored() {
    let world = World::new().await;
    let foreign = payload("acme/another", &deployment(5, MERGED), None);
    let answer = deliver(&world, "deployment", &foreign, "d1").await.body;
    assert_eq!(answer["reason"], "no product has the repository acme/another");
    let odd = payload("acme/wealth-product", &json!({"id": 5}), None);
    let answer = deliver(&world, "deployment", &odd, "d2").await.body;
    assert_eq!(answer["reason"], "it names no deployment, or no time or commit of it");
    assert_eq!(world.count("deployment").await, 0);
}

#[tokio::test]
async fn a_merged_run_is_reverted_by_one_run_at_a_time() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let path = format!("/api/v1/runs/{run}/revert");
    let ask = async || {
        let body = Body::from(json!({"reason": "it is wrong"}).to_string());
        world.send(post(&path).body(body).unwrap()).await
    };
    let early = ask().await;
    is_problem(&early, 409, "not-allowed", "not merged");
    assert_eq!(early.body["detail"], "the run's change is not merged: there is nothing to revert");
    merge(&world, run).await;
    let first = ask().await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
    let again = ask().await;
    assert_eq!((again.status, &again.body["id"]), (StatusCode::OK, &first.body["id"]));
    let reverting = first.body["id"].as_str().unwrap();
    let after = world.get(&format!("/api/v1/runs/{reverting}/after-merge")).await.body;
    assert_eq!((&after["reverts"]["run_id"], &after["reverts"]["sha"]), (&json!(run), &json!(MERGED)));
    let of = world.get(&format!("/api/v1/runs/{run}/after-merge")).await.body;
    assert_eq!(of["reverted_by"][0]["run_id"], reverting);
    assert_eq!((&of["base"]["state"], of["deployments"].as_array().unwrap().len()), (&json!("watching"), 0));
    let requirement =
        world.get(&format!("/api/v1/requirements/{}", first.body["requirement_id"].as_str().unwrap())).await;
    assert_eq!(requirement.body["title"], "Revert #7: Portfolio risk");
    let page = world.page(&format!("/runs/{reverting}")).await;
    assert!(page.contains("This run reverts run"), "{page}");
    assert!(!world.page(&format!("/runs/{run}")).await.contains("Revert this merge"));
    sqlx::query(
        "update run set status = 'ended', ended_as = 'blocked', ended_at = now(), step = null where id = $1",
    )
    .bind(reverting.parse::<uuid::Uuid>().unwrap())
    .execute(&world.database.pool)
    .await
    .unwrap();
    assert!(world.page(&format!("/runs/{run}")).await.contains("Revert this merge"));
    assert_eq!(ask().await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn how_the_base_is_watched_is_a_setting_of_the_product() {
    let world = World::new().await;
    let put = async |more: Value| {
        let mut product = json!({"name": "wealth", "repository": "acme/wealth-product"});
        product.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.send(post("/api/v1/products").body(Body::from(product.to_string())).unwrap()).await
    };
    let wrong = put(json!({"watch_minutes": 1441, "revert_on_red": "yes"})).await;
    is_problem(&wrong, 422, "invalid", "settings");
    let detail = wrong.body.to_string();
    assert!(detail.contains("must be from 0 (not watched) to 1440 minutes"), "{detail}");
    assert!(detail.contains("must be `off`, `ask` or `open`"), "{detail}");
    let set = put(json!({"watch_minutes": 0, "revert_on_red": "ask"})).await.body;
    assert_eq!((&set["watch_minutes"], &set["revert_on_red"]), (&json!(0), &json!("ask")));
    let (_, run) = world.submit("Portfolio risk").await;
    merge(&world, run).await;
    assert_eq!(world.count("base_watch").await, 0);
    let after = world.get(&format!("/api/v1/runs/{run}/after-merge")).await.body;
    assert_eq!(after.get("base"), None, "{after}");
}
