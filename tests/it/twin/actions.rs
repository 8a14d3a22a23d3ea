//! Check suites, workflow runs, jobs, logs and re-runs, and the limits of checks and statuses.

use aspora::dev::github::JobEnd;

use super::{operation::receiver, *};

fn ends(conclusion: &str, log: &str) -> JobEnd {
    JobEnd { conclusion: conclusion.to_owned(), log: log.to_owned(), ..JobEnd::default() }
}

#[tokio::test]
async fn a_workflow_run_shows_its_jobs_and_their_check_runs() {
    let mut world = World::new().await;
    // The description's format of an address admits no `[bot]`, which GitHub's own addresses have.
    world.head = world.twin.push_as("ada", REPO, "topic", &[("a.py", b"a = 1\n")]).await.unwrap();
    world.open_pull().await;
    let run = world.twin.run_workflow(REPO, &world.head, "CI", &["build", "test"]).await.unwrap();
    world.twin.move_job(REPO, run, "test").await.unwrap();
    let (_, runs) = world.get(&format!("actions/runs?head_sha={}", world.head)).await;
    assert_eq!((&runs["total_count"], &runs["workflow_runs"][0]["id"]), (&json!(1), &json!(run)));
    assert_eq!(world.get("actions/runs?head_sha=0000").await.1["total_count"], 0);
    let (_, shown) = world.get(&format!("actions/runs/{run}")).await;
    assert_eq!((&shown["status"], &shown["run_attempt"]), (&json!("in_progress"), &json!(1)));
    let (_, jobs) = world.get(&format!("actions/runs/{run}/jobs")).await;
    let job = &jobs["jobs"][1];
    assert_eq!((&job["name"], &job["steps"][0]["status"]), (&json!("test"), &json!("completed")));
    assert_eq!(world.get(&format!("actions/jobs/{}", job["id"])).await.1["run_id"], run);
    let check = job["check_run_url"].as_str().unwrap().rsplit_once("/repos/acme/wealth-product/").unwrap().1;
    let (_, check) = world.get(check).await;
    assert_eq!((&check["name"], &check["app"]["slug"]), (&json!("test"), &json!("github-actions")));
    assert_eq!(check["check_suite"]["id"], shown["check_suite_id"]);
    let (_, suites) = world.get(&format!("commits/{}/check-suites", world.head)).await;
    assert_eq!(
        (&suites["total_count"], &suites["check_suites"][0]["status"]),
        (&json!(1), &json!("in_progress"))
    );
    let suite = format!("check-suites/{}/check-runs", shown["check_suite_id"]);
    assert_eq!(world.get(&suite).await.1["total_count"], 2);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn failed_jobs_are_run_again_as_another_attempt_and_keep_the_run() {
    let world = World::new().await;
    let run = world.twin.run_workflow(REPO, &world.head, "CI", &["build", "test"]).await.unwrap();
    let again = format!("actions/runs/{run}/rerun-failed-jobs");
    assert_eq!(world.post(&again, json!({})).await.0, 403, "it runs");
    world.twin.end_job(REPO, run, "build", ends("success", "")).await.unwrap();
    world.twin.end_job(REPO, run, "test", ends("cancelled", "")).await.unwrap();
    assert_eq!(world.get(&format!("actions/runs/{run}")).await.1["conclusion"], "cancelled");
    assert_eq!(world.post(&again, json!({})).await.0, 201);
    let (_, shown) = world.get(&format!("actions/runs/{run}")).await;
    assert_eq!((&shown["run_attempt"], &shown["conclusion"]), (&json!(2), &Value::Null));
    let all = format!("commits/{}/check-runs", world.head);
    assert_eq!(world.get(&format!("{all}?filter=all&check_name=test")).await.1["total_count"], 2);
    let (_, latest) = world.get(&format!("{all}?check_name=test")).await;
    assert_eq!((&latest["total_count"], &latest["check_runs"][0]["status"]), (&json!(1), &json!("queued")));
    world.twin.end_job(REPO, run, "test", ends("success", "")).await.unwrap();
    assert_eq!(world.post(&again, json!({})).await.0, 403, "no job failed");
}

#[tokio::test]
async fn a_log_is_behind_a_link_to_another_host_that_refuses_a_token() {
    let world = World::new().await;
    let run = world.twin.run_workflow(REPO, &world.head, "CI", &["test"]).await.unwrap();
    let (_, jobs) = world.get(&format!("actions/runs/{run}/jobs")).await;
    let path = format!("actions/jobs/{}/logs", jobs["jobs"][0]["id"]);
    assert_eq!(world.get(&path).await.0, 404, "the job is not over");
    world.twin.end_job(REPO, run, "test", ends("failure", "one\ntwo\n")).await.unwrap();
    let client =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = format!("{}/repos/{REPO}/{path}", world.twin.url());
    let answer = client.get(url).bearer_auth(&world.token).header("user-agent", "test").send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let link = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(link.starts_with("http://localhost:"), "{link}");
    assert_eq!(client.get(&link).send().await.unwrap().text().await.unwrap(), "one\ntwo\n");
    assert_eq!(client.get(&link).bearer_auth(&world.token).send().await.unwrap().status(), 401);
    let forged = link.replace("se=", "se=9");
    assert_eq!(client.get(forged).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn checks_and_statuses_have_githubs_limits() {
    let world = World::new().await;
    let new = |more: Value| {
        let mut run = json!({"name": "x", "head_sha": world.head});
        run.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        run
    };
    let note =
        json!({"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"});
    let output = |count: usize, summary: String| {
        new(json!({"output": {"title": "t", "summary": summary, "annotations": vec![note.clone(); count]}}))
    };
    assert_eq!(world.post("check-runs", output(51, String::new())).await.0, 422);
    assert_eq!(world.post("check-runs", output(0, "x".repeat(65_536))).await.0, 422);
    assert_eq!(world.post("check-runs", new(json!({"conclusion": "stale"}))).await.0, 422);
    let button = |label: &str| json!({"label": label, "description": "Do it", "identifier": "it"});
    let buttons = |all: Vec<Value>| new(json!({"actions": all}));
    assert_eq!(world.post("check-runs", buttons(vec![button("Do"); 4])).await.0, 422);
    assert_eq!(world.post("check-runs", buttons(vec![button(&"x".repeat(21))])).await.0, 422);
    assert_eq!(world.post("check-runs", buttons(vec![button(&"x".repeat(20)); 3])).await.0, 201);
    let (status, made) = world.post("check-runs", output(50, "x".repeat(65_535))).await;
    assert_eq!(status, 201);
    let path = format!("check-runs/{}", made["id"]);
    assert_eq!(world.post(&format!("{path}/rerequest"), json!({})).await.0, 422, "it is not over");
    world.patch(&path, json!({"conclusion": "failure"})).await;
    assert_eq!(world.post(&format!("{path}/rerequest"), json!({})).await.0, 201);
    let pages = world.get(&format!("{path}/annotations?per_page=30&page=2")).await.1;
    assert_eq!(pages.as_array().unwrap().len(), 20);
    let status = format!("statuses/{}", world.head);
    let long = json!({"state": "success", "description": "x".repeat(141)});
    assert_eq!(world.post(&status, long).await.0, 422);
    let combined = world.get(&format!("commits/{}/status", world.head)).await.1;
    assert_eq!(combined["state"], "pending", "nothing was set");
}

#[tokio::test]
async fn a_status_is_announced_with_every_branch_that_holds_its_commit() {
    let world = World::new().await;
    let (received, url) = receiver().await;
    world.twin.set_webhook(Some(Webhook { url, secret: "s".into() }));
    world.twin.create_branch(REPO, "copy", &world.head).await.unwrap();
    world.twin.set_status_as("ada", REPO, &world.head, ("ci", "success", "")).await.unwrap();
    world.twin.settled().await;
    let sent = world.twin.webhooks().sent();
    let status = sent.iter().find(|delivery| delivery.event == "status").unwrap();
    let branches = status.payload["branches"].as_array().unwrap();
    let names: Vec<_> = branches.iter().map(|branch| branch["name"].as_str().unwrap()).collect();
    assert_eq!((names, &status.payload["sha"]), (vec!["copy", "topic"], &json!(world.head)));
    drop(received);
}
