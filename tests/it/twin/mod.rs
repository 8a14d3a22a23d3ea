//! The GitHub twin, called over HTTP and by real git. Each exchange is checked against GitHub's OpenAPI
//! description.

mod actions;
mod acts;
mod comments;
mod commits;
mod credentials;
mod deliveries;
mod merging;
mod names;
mod operation;
mod pages;
mod passwords;
mod pushes;
mod reviews;
mod rules;
mod switches;
mod table;
mod threads;
mod work;

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use crate::support::{openapi::SpecChecker, wait::eventually};
use aspora::dev::{
    ci::{CheckResult, Ci},
    github::{
        APP, BOT, CI_APP, Fault, FaultRule, InstallOn, Phase, ReviewEvent, TokenKind, Twin, TwinConfig,
        Webhook,
    },
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, Response};
use serde_json::{Value, json};

const REPO: &str = "acme/wealth-product";
/// What the coding agent's App has subscribed to.
const EVENTS: [&str; 9] = [
    "check_run",
    "check_suite",
    "issue_comment",
    "merge_group",
    "pull_request",
    "pull_request_review",
    "push",
    "status",
    "workflow_run",
];

fn config(data: &Path) -> TwinConfig {
    TwinConfig {
        data_dir: data.to_owned(),
        addr: ([127, 0, 0, 1], 0).into(),
        public_url: None,
        webhook: None,
        ci: None,
    }
}

/// A twin with a product, a branch `topic` ahead of `main`, and a spec of all its answers.
struct World {
    twin: Twin,
    /// Of the coding agent's App, with every permission.
    token: String,
    spec: Arc<SpecChecker>,
    data: tempfile::TempDir,
    head: String,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(adapt: impl FnOnce(&mut TwinConfig)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = config(data.path());
        adapt(&mut config);
        let twin = Twin::start(config).await.unwrap();
        let spec = SpecChecker::new().unwrap();
        twin.observe(spec.observer());
        twin.create_repository(REPO, &[("README.md", b"one\ntwo\nthree\n")]).await.unwrap();
        let files: [(&str, &[u8]); 2] = [("README.md", b"one\n2\nthree\n"), ("risk.py", b"a = 1\nb = 2\n")];
        let head = twin.push_as(BOT, REPO, "topic", &files).await.unwrap();
        let app = twin.register_app(APP).unwrap();
        let installation =
            twin.install(app.id, &InstallOn::Owner("acme".to_owned()), &credentials::everything()).unwrap();
        twin.subscribe(app.id, &EVENTS.map(str::to_owned)).unwrap();
        let mut world = Self { twin, token: String::new(), spec, data, head };
        world.token = world.minted(&app, installation).await;
        world
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let answer = ask(&self.twin, &self.token, method, path, body).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::PUT, path, Some(body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    async fn open_pull(&self) -> (u16, Value) {
        self.post("pulls", json!({"title": "Risk", "head": "topic", "base": "main", "body": "why"})).await
    }
}

/// A path without a leading slash is below the repository.
async fn ask(
    twin: &Twin,
    token: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> reqwest::Result<Response> {
    let url = match path.strip_prefix('/') {
        Some(path) => format!("{}/{path}", twin.url()),
        None => format!("{}/repos/{REPO}/{path}", twin.url()),
    };
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut request = client.request(method, url).bearer_auth(token).header("user-agent", "test");
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await
}

#[tokio::test]
async fn the_repository_matches_the_description() {
    let world = World::new().await;
    assert_eq!(world.get("/rate_limit").await.0, 200);
    let (_, repository) = world.get(&format!("/repos/{REPO}")).await;
    assert_eq!(repository["default_branch"], "main");
    assert_eq!(world.get("branches/topic").await.1["commit"]["sha"], world.head);
    assert_eq!(world.get("branches/nowhere").await.0, 404);
    assert_eq!(world.get("git/ref/heads/topic").await.1["object"]["sha"], world.head);
    let (_, commit) = world.get(&format!("commits/{}", world.head)).await;
    assert_eq!(commit["author"]["login"], BOT);
    assert_eq!(commit["files"][1]["filename"], "risk.py");
    assert_eq!(world.get("commits/nothing").await.0, 422);
    assert_eq!(world.get("collaborators/ada/permission").await.1["permission"], "none");
    world.twin.set_permission(REPO, "ada", "write").unwrap();
    assert_eq!(world.get("collaborators/ada/permission").await.1["permission"], "write");
    assert_eq!(world.get("/repos/acme/unknown").await.0, 404);
    assert_eq!(world.post("issues", json!({"title": "Gap", "labels": ["harness-gap"]})).await.0, 201);
    assert_eq!(world.get("issues?labels=harness-gap").await.1[0]["title"], "Gap");
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_wrong_token_is_refused_everywhere() {
    let world = World::new().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("{}/user", world.twin.url())).bearer_auth("wrong").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(answer.headers().contains_key("x-github-request-id"));
    let refs = format!("{}/info/refs?service=git-upload-pack", world.twin.git_url(REPO));
    assert_eq!(client.get(refs).basic_auth("x", Some("wrong")).send().await.unwrap().status(), 401);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_pull_request_is_opened_once_per_branch_and_found_by_it() {
    let world = World::new().await;
    let (status, pull) = world.open_pull().await;
    assert_eq!((status, &pull["number"]), (201, &json!(1)));
    assert_eq!((&pull["mergeable"], &pull["changed_files"]), (&Value::Null, &json!(2)));
    let (status, refused) = world.open_pull().await;
    assert_eq!(status, 422);
    assert_eq!(refused["errors"][0]["message"], "A pull request already exists for acme:topic.");
    let new = |head: &str| json!({"title": "x", "head": head, "base": "main"});
    assert_eq!(world.post("pulls", new("nowhere")).await.1["errors"][0]["field"], "head");
    let none = world.post("pulls", new("main")).await.1;
    assert_eq!(none["errors"][0]["message"], "No commits between main and main");
    let found = world.get("pulls?head=acme:topic&state=all&base=main").await.1;
    assert_eq!((found.as_array().unwrap().len(), &found[0]["head"]["sha"]), (1, &json!(world.head)));
    assert_eq!(world.get("pulls?head=acme:other").await.1, json!([]));
    assert_eq!(world.get("pulls/1/commits").await.1[0]["sha"], world.head);
    assert_eq!(world.get(&format!("commits/{}/pulls", world.head)).await.1[0]["number"], 1);
    assert_eq!(world.patch("pulls/1", json!({"title": "Better"})).await.1["title"], "Better");
    assert_eq!(world.patch("pulls/1", json!({"state": "closed"})).await.1["state"], "closed");
    assert_eq!(world.get("pulls").await.1, json!([]));
    assert_eq!(world.patch("pulls/1", json!({"state": "open"})).await.1["state"], "open");
    assert_eq!(world.get("pulls/9").await.0, 404);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn lists_have_pages_with_links() {
    let world = World::new().await;
    world.open_pull().await;
    let answer = ask(&world.twin, &world.token, Method::GET, "pulls/1/files?per_page=1", None).await.unwrap();
    let link = answer.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.contains("per_page=1&page=2>; rel=\"next\"") && link.contains("rel=\"last\""), "{link}");
    let second = world.get("pulls/1/files?per_page=1&page=2").await.1;
    assert_eq!((second.as_array().unwrap().len(), &second[0]["filename"]), (1, &json!("risk.py")));
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_merge_of_a_stale_head_is_refused_and_main_does_not_move() {
    let world = World::new().await;
    world.open_pull().await;
    let main = world.twin.branch(REPO, "main").await.unwrap();
    let newer = world.twin.push_as("ada", REPO, "topic", &[("more.txt", b"more\n")]).await.unwrap();
    assert_eq!(world.put("pulls/1/merge", json!({"sha": world.head})).await.0, 409);
    assert_eq!(world.twin.branch(REPO, "main").await.unwrap(), main);
    assert_eq!(world.get("pulls/1/merge").await.0, 404);
    let (status, merged) = world.put("pulls/1/merge", json!({"sha": newer, "merge_method": "squash"})).await;
    assert_eq!((status, &merged["merged"]), (200, &json!(true)));
    assert_eq!(world.twin.main_file(REPO, "more.txt").await.unwrap().as_deref(), Some(&b"more\n"[..]));
    let pull = world.get("pulls/1").await.1;
    assert_eq!((&pull["merged"], &pull["merge_commit_sha"]), (&json!(true), &merged["sha"]));
    assert_eq!(world.get("pulls/1/merge").await.0, 204);
    assert_eq!(world.put("pulls/1/merge", json!({"sha": newer})).await.0, 405);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_conflict_is_not_mergeable_and_a_branch_behind_its_base_can_be_updated() {
    let world = World::new().await;
    world.open_pull().await;
    world.twin.push_as("ada", REPO, "main", &[("other.txt", b"other\n")]).await.unwrap();
    assert_eq!(world.put("pulls/1/update-branch", json!({"expected_head_sha": "0".repeat(40)})).await.0, 422);
    assert_eq!(world.put("pulls/1/update-branch", json!({"expected_head_sha": world.head})).await.0, 202);
    let merged = || async { world.get("pulls/1").await.1["commits"] == 2 };
    eventually("the base is in the head", merged).await;
    assert_eq!(world.get("pulls/1").await.1["changed_files"], 2);
    let (status, refused) = world.put("pulls/1/update-branch", json!({})).await;
    assert_eq!(
        (status, &refused["errors"][0]["message"]),
        (422, &json!("There are no new commits on the base branch."))
    );
    world.twin.push_as("ada", REPO, "main", &[("README.md", b"one\nTWO\nthree\n")]).await.unwrap();
    world.get("pulls/1").await;
    let pull = world.get("pulls/1").await.1;
    assert_eq!((&pull["mergeable"], &pull["mergeable_state"]), (&json!(false), &json!("dirty")));
    let (status, refused) = world.put("pulls/1/update-branch", json!({})).await;
    assert_eq!(
        (status, &refused["errors"][0]["message"]),
        (422, &json!("merge conflict between base and head"))
    );
    assert_eq!(world.put("pulls/1/merge", json!({})).await.0, 405);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_review_comments_only_on_lines_of_the_diff_and_authors_cannot_approve() {
    let world = World::new().await;
    world.open_pull().await;
    let comment = |line: u64| json!([{"path": "risk.py", "line": line, "side": "RIGHT", "body": "why?"}]);
    let review =
        |line| json!({"event": "COMMENT", "body": "hm", "commit_id": world.head, "comments": comment(line)});
    assert_eq!(world.post("pulls/1/reviews", review(99)).await.0, 422);
    let (status, made) = world.post("pulls/1/reviews", review(2)).await;
    assert_eq!((status, &made["state"], &made["commit_id"]), (200, &json!("COMMENTED"), &json!(world.head)));
    let comments = world.get("pulls/1/comments").await.1;
    assert_eq!((&comments[0]["line"], comments.as_array().unwrap().len()), (&json!(2), 1));
    let own = world.post("pulls/1/reviews", json!({"event": "APPROVE", "body": "fine"})).await;
    assert_eq!(own.0, 422);
    let id = world.twin.review_as("ada", REPO, 1, ReviewEvent::Approve, "good").await.unwrap();
    assert_eq!(world.get("pulls/1/reviews").await.1[1]["state"], "APPROVED");
    let path = format!("pulls/1/reviews/{id}/dismissals");
    assert_eq!(world.put(&path, json!({"message": "stale"})).await.1["state"], "DISMISSED");
    assert_eq!(world.get(&format!("pulls/1/reviews/{id}")).await.0, 200);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_comment_is_added_edited_and_deleted() {
    let world = World::new().await;
    world.open_pull().await;
    let (status, made) = world.post("issues/1/comments", json!({"body": "hello"})).await;
    assert_eq!((status, &made["performed_via_github_app"]["slug"]), (201, &json!("aspora-coding-agent")));
    world.twin.comment_as("ada", REPO, 1, "hi").await.unwrap();
    assert_eq!(world.get("issues/1/comments").await.1[1]["user"]["login"], "ada");
    let path = format!("issues/comments/{}", made["id"]);
    assert_eq!(world.patch(&path, json!({"body": "changed"})).await.1["body"], "changed");
    assert_eq!(world.ask(Method::DELETE, &path, None).await.0, 204);
    assert_eq!(world.get(&path).await.0, 404);
    assert_eq!(world.post("issues/9/comments", json!({"body": "x"})).await.0, 404);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn checks_and_statuses_are_listed_latest_first_and_by_app() {
    let world = World::new().await;
    world.open_pull().await;
    let run = json!({"name": "risk-policy-gate", "head_sha": world.head, "status": "in_progress", "external_id": "k"});
    let (status, made) = world.post("check-runs", run.clone()).await;
    assert_eq!((status, &made["conclusion"]), (201, &Value::Null));
    assert_eq!(made["pull_requests"][0]["number"], 1);
    let path = format!("check-runs/{}", made["id"]);
    let done = json!({"conclusion": "success", "output": {"title": "Clear", "summary": "all"}});
    assert_eq!(world.patch(&path, done).await.1["status"], "completed");
    assert_eq!(world.get(&path).await.1["external_id"], "k");
    world.post("check-runs", run).await;
    let foreign =
        world.twin.set_check(CI_APP, REPO, &world.head, "CI Pipeline", Some("success")).await.unwrap();
    let foreign = format!("check-runs/{foreign}");
    assert_eq!(
        world.patch(&foreign, json!({"name": "x"})).await.0,
        403,
        "an app cannot change the run of another app"
    );
    let all = |more: &str| format!("commits/{}/check-runs{more}", world.head);
    assert_eq!(world.get(&all("")).await.1["total_count"], 2);
    assert_eq!(world.get(&all("?filter=all&check_name=risk-policy-gate")).await.1["total_count"], 2);
    let app = format!("?app_id={}", made["app"]["id"]);
    assert_eq!(world.get(&all(&app)).await.1["check_runs"][0]["status"], "in_progress");
    let unknown = json!({"name": "x", "head_sha": "0".repeat(40)});
    assert_eq!(world.post("check-runs", unknown).await.0, 422);
    let status = format!("statuses/{}", world.head);
    assert_eq!(world.post(&status, json!({"state": "pending", "context": "ci"})).await.0, 201);
    assert_eq!(world.post(&status, json!({"state": "success", "context": "ci"})).await.0, 201);
    let combined = world.get(&format!("commits/{}/status", world.head)).await.1;
    assert_eq!((&combined["state"], &combined["total_count"]), (&json!("success"), &json!(1)));
    let listed = world.get(&format!("commits/{}/statuses", world.head)).await.1;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    world.spec.assert_conforms();
}
