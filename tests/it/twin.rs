//! The GitHub twin, asked over HTTP and by real git; each exchange is held against GitHub's own
//! OpenAPI description.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use crate::support::openapi::SpecChecker;
use aspora::dev::{
    ci::{CheckResult, Ci},
    github::{BOT, CI_APP, Mode, Phase, Rule, Twin, TwinConfig, Verdict, Webhook},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, Response};
use serde_json::{Value, json};

const REPO: &str = "acme/wealth-product";
const TOKEN: &str = "twin-token";

fn config(data: &Path) -> TwinConfig {
    TwinConfig {
        data_dir: data.to_owned(),
        addr: ([127, 0, 0, 1], 0).into(),
        public_url: None,
        token: TOKEN.to_owned(),
        webhook: None,
        ci: None,
    }
}

/// A twin with a product, a branch `topic` ahead of `main`, and a checker of all its answers.
struct World {
    twin: Twin,
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
        Self { twin, spec, data, head }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let answer = ask(&self.twin, method, path, body).await.unwrap();
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
async fn ask(twin: &Twin, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<Response> {
    let url = match path.strip_prefix('/') {
        Some(path) => format!("{}/{path}", twin.url()),
        None => format!("{}/repos/{REPO}/{path}", twin.url()),
    };
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut request = client.request(method, url).bearer_auth(TOKEN).header("user-agent", "test");
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await
}

#[tokio::test]
async fn identity_and_repository_are_as_github_describes_them() {
    let world = World::new().await;
    assert_eq!(world.get("/user").await.1["login"], BOT);
    assert_eq!(world.get("/app").await.1["slug"], "aspora-coding-agent");
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
async fn a_pull_request_is_opened_once_and_found_by_its_branch() {
    let world = World::new().await;
    let (status, pull) = world.open_pull().await;
    assert_eq!((status, &pull["number"]), (201, &json!(1)));
    assert_eq!((&pull["mergeable"], &pull["changed_files"]), (&json!(true), &json!(2)));
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
async fn a_list_is_paged_with_links() {
    let world = World::new().await;
    world.open_pull().await;
    let answer = ask(&world.twin, Method::GET, "pulls/1/files?per_page=1", None).await.unwrap();
    let link = answer.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.contains("per_page=1&page=2>; rel=\"next\"") && link.contains("rel=\"last\""), "{link}");
    let second = world.get("pulls/1/files?per_page=1&page=2").await.1;
    assert_eq!((second.as_array().unwrap().len(), &second[0]["filename"]), (1, &json!("risk.py")));
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_merge_with_a_stale_head_is_refused_and_main_stays() {
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
async fn a_conflict_is_not_mergeable_and_a_late_branch_can_be_updated() {
    let world = World::new().await;
    world.open_pull().await;
    world.twin.push_as("ada", REPO, "main", &[("other.txt", b"other\n")]).await.unwrap();
    assert_eq!(world.put("pulls/1/update-branch", json!({"expected_head_sha": "0".repeat(40)})).await.0, 422);
    assert_eq!(world.put("pulls/1/update-branch", json!({"expected_head_sha": world.head})).await.0, 202);
    let pull = world.get("pulls/1").await.1;
    assert_eq!((&pull["commits"], &pull["changed_files"]), (&json!(2), &json!(2)));
    world.twin.push_as("ada", REPO, "main", &[("README.md", b"one\nTWO\nthree\n")]).await.unwrap();
    let pull = world.get("pulls/1").await.1;
    assert_eq!((&pull["mergeable"], &pull["mergeable_state"]), (&json!(false), &json!("dirty")));
    assert_eq!(world.put("pulls/1/merge", json!({})).await.0, 405);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_review_comments_only_lines_of_the_diff_and_never_approves_its_own() {
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
    let id = world.twin.review_as("ada", REPO, 1, Verdict::Approve, "good").await.unwrap();
    assert_eq!(world.get("pulls/1/reviews").await.1[1]["state"], "APPROVED");
    let path = format!("pulls/1/reviews/{id}/dismissals");
    assert_eq!(world.put(&path, json!({"message": "stale"})).await.1["state"], "DISMISSED");
    assert_eq!(world.get(&format!("pulls/1/reviews/{id}")).await.0, 200);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_comment_lives_and_goes() {
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
async fn checks_and_statuses_are_told_latest_first_and_by_app() {
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
    assert_eq!(world.patch(&foreign, json!({"name": "x"})).await.0, 404, "another app's run is not ours");
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

/// A page as a browser asks for it, without a token: the answer's status, policy and text.
async fn page(world: &World, path: &str) -> (u16, String, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("{}{path}", world.twin.url())).send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map_or("", |it| it.to_str().unwrap()).to_owned();
    let (status, policy) = (answer.status().as_u16(), header("content-security-policy"));
    (status, policy, answer.text().await.unwrap())
}

/// Holds a page against what it must and must not show.
async fn shows(world: &World, path: &str, expected: &[&str]) {
    let (status, policy, page) = page(world, path).await;
    assert_eq!(status, 200, "{path}");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(page.contains("This is the GitHub twin, a stand-in on this machine."), "{path}");
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("aspora:hidden"), "{page}");
    for text in expected {
        assert!(page.contains(text), "{path} does not show {text}: {page}");
    }
}

#[tokio::test]
async fn every_address_for_people_leads_to_a_page_where_text_stays_text() {
    let world = World::new().await;
    let hostile = "<script>alert(1)</script><img src=x>";
    let new = json!({
        "title": hostile, "head": "topic", "base": "main", "body": format!("why {hostile}<!-- aspora:hidden -->"),
    });
    let pull = world.post("pulls", new).await.1;
    let comments =
        json!([{"path": "risk.py", "line": 2, "side": "RIGHT", "body": format!("why? {hostile}")}]);
    let review = json!({"event": "COMMENT", "body": "hm<!-- aspora:hidden -->", "comments": comments});
    world.post("pulls/1/reviews", review).await;
    world.post("issues/1/comments", json!({"body": hostile})).await;
    let output = json!({"title": "Clear", "summary": format!("all {hostile}"), "text": "the long part"});
    let run = json!({
        "name": "risk-policy-gate", "head_sha": world.head, "conclusion": "success", "output": output,
        "details_url": "javascript:alert(2)",
    });
    let run = world.post("check-runs", run).await.1;
    let path =
        |page: &Value| page["html_url"].as_str().unwrap().strip_prefix(&world.twin.url()).unwrap().to_owned();
    let told = "&lt;script&gt;alert(1)&lt;/script&gt;";
    let link = format!("href=\"{}\"", run["html_url"].as_str().unwrap());
    let lines =
        ["class=\"plus\">+2\n", "class=\"minus\">-two\n", "class=\"plus\">+b = 2\n", &world.head[..7]];
    shows(&world, &path(&pull), &[told, "why ", "topic", "risk.py:2", "commented", &link]).await;
    shows(&world, &path(&pull), &lines).await;
    shows(&world, &format!("/{REPO}/commit/{}", world.head), &lines).await;
    shows(&world, &format!("/{REPO}/commit/{}", pull["base"]["sha"].as_str().unwrap()), &["+three"]).await;
    let parts = ["success", "Clear", "the long part", told, "<code>javascript:alert(2)</code>"];
    shows(&world, &path(&run), &parts).await;
    shows(&world, &format!("/{REPO}"), &[told, "README.md", "/pull/1\""]).await;
    shows(&world, "/", &[REPO]).await;
    world.put("pulls/1/merge", json!({"sha": world.head})).await;
    shows(&world, &path(&pull), &["merged", "Merged by", "class=\"plus\">+2\n"]).await;
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_page_opens_no_other_door() {
    let world = World::new().await;
    world.open_pull().await;
    for missing in ["pull/2", "pull/x", "commit/main", "commit/--help", "runs/1"] {
        let (status, _, text) = page(&world, &format!("/{REPO}/{missing}")).await;
        assert_eq!(status, 404, "{missing}");
        assert!(text.contains("The twin has nothing at this address."), "{missing}: {text}");
    }
    for closed in [format!("/repos/{REPO}"), format!("/repos/{REPO}/pulls/1"), "/acme/unknown".to_owned()] {
        let (status, _, text) = page(&world, &closed).await;
        assert_eq!(status, 401, "{closed}");
        assert!(text.contains("Bad credentials"), "{closed}: {text}");
    }
    let calls = world.twin.ledger().len();
    page(&world, &format!("/{REPO}/pull/1")).await;
    assert_eq!(world.twin.ledger().len(), calls, "a look is no call");
}

async fn git(folder: &Path, arguments: &[&str]) {
    let mut command = tokio::process::Command::new("git");
    command
        .current_dir(folder)
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
        .args(arguments);
    let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().await.unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn real_git_clones_and_pushes_and_the_pull_request_follows() {
    let world = World::new().await;
    world.open_pull().await;
    let folder = tempfile::tempdir().unwrap();
    let url = world.twin.git_url(REPO).replace("http://", &format!("http://x-access-token:{TOKEN}@"));
    git(folder.path(), &["clone", "--quiet", "--branch", "topic", &url, "work"]).await;
    let work = folder.path().join("work");
    assert_eq!(std::fs::read(work.join("risk.py")).unwrap(), b"a = 1\nb = 2\n");
    std::fs::write(work.join("risk.py"), "a = 2\n").unwrap();
    git(&work, &["commit", "--quiet", "-am", "fix: Repair the risk"]).await;
    git(&work, &["push", "--quiet", "origin", "topic"]).await;
    let pull = world.get("pulls/1").await.1;
    assert_ne!(pull["head"]["sha"], world.head);
    assert_eq!(pull["head"]["sha"], world.twin.pulls(REPO)[0].head_sha);
    assert_eq!(pull["commits"], 2);
    let mut pushes = world.twin.ledger().into_iter().filter(|entry| entry.path.ends_with("git-receive-pack"));
    assert!(pushes.next_back().unwrap().applied);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_restarted_twin_goes_on_where_it_was() {
    let World { twin, spec, data, head } = World::new().await;
    let new = json!({"title": "Risk", "head": "topic", "base": "main"});
    ask(&twin, Method::POST, "pulls", Some(new.clone())).await.unwrap();
    ask(&twin, Method::POST, "issues/1/comments", Some(json!({"body": "hello"}))).await.unwrap();
    let before = twin.pulls(REPO);
    drop(twin);
    let twin = Twin::start(config(data.path())).await.unwrap();
    twin.observe(spec.observer());
    assert_eq!(twin.pulls(REPO), before);
    assert_eq!(twin.comments(REPO)[0].body, "hello");
    assert_eq!(ask(&twin, Method::POST, "pulls", Some(new)).await.unwrap().status(), 422);
    let merged = ask(&twin, Method::PUT, "pulls/1/merge", Some(json!({"sha": head}))).await.unwrap();
    assert_eq!(merged.status(), 200);
    spec.assert_conforms();
}

#[tokio::test]
async fn what_was_applied_counts_once_whatever_was_answered() {
    let world = World::new().await;
    let rule = |mode| Rule { method: "POST".into(), path: "/repos/*/*/pulls".into(), nth: 1, mode };
    world.twin.fault(rule(Mode::ErrorBefore(502))).unwrap();
    assert_eq!(world.open_pull().await.0, 502);
    assert_eq!(world.twin.pulls(REPO).len(), 0, "an error before does nothing");
    world.twin.clear_faults();
    let phases = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&phases);
    world.twin.on_request(Arc::new(move |request, phase| {
        seen.lock().unwrap().push((request.mutating, phase));
    }));
    world.twin.fault(rule(Mode::ApplyThenError(500))).unwrap();
    assert_eq!(world.open_pull().await.0, 500);
    assert_eq!(world.open_pull().await.0, 422, "the first one counted");
    assert_eq!(world.twin.pulls(REPO).len(), 1);
    assert_eq!(phases.lock().unwrap()[..2], [(true, Phase::Before), (true, Phase::AfterApply)]);
    let ledger = world.twin.ledger();
    let told: Vec<_> = ledger.iter().map(|entry| (entry.status, entry.applied)).collect();
    assert_eq!(told, [(502, false), (500, true), (422, false)]);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_cut_answer_was_still_applied_and_limits_say_when_to_come_back() {
    let world = World::new().await;
    let rule = |path: &str, mode| Rule { method: "*".into(), path: path.into(), nth: 1, mode };
    world.twin.fault(rule("/repos/*/*/pulls", Mode::ApplyThenCut)).unwrap();
    let new = json!({"title": "Risk", "head": "topic", "base": "main"});
    assert!(ask(&world.twin, Method::POST, "pulls", Some(new)).await.is_err());
    assert_eq!(world.twin.pulls(REPO).len(), 1);
    world.twin.fault(rule("/user", Mode::SecondaryLimit(7))).unwrap();
    let answer = ask(&world.twin, Method::GET, "/user", None).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (403, &"7".parse().unwrap()));
    world.twin.fault(rule("/app", Mode::TooMany(3))).unwrap();
    assert_eq!(ask(&world.twin, Method::GET, "/app", None).await.unwrap().status(), 429);
}

type Heard = Arc<Mutex<Vec<(http::HeaderMap, bytes::Bytes)>>>;

/// A receiver of webhooks, and where it listens.
async fn receiver() -> (Heard, String) {
    let heard = Heard::default();
    let keep = Arc::clone(&heard);
    let hear = async move |headers: http::HeaderMap, body: bytes::Bytes| {
        keep.lock().unwrap().push((headers, body));
    };
    let router = axum::Router::new().route("/hook", axum::routing::post(hear));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (heard, url)
}

fn names(heard: &Heard) -> Vec<String> {
    let name = |(headers, body): &(http::HeaderMap, bytes::Bytes)| {
        let body: Value = serde_json::from_slice(body).unwrap();
        let event = headers["x-github-event"].to_str().unwrap();
        format!("{event} {}", body["action"].as_str().unwrap_or("")).trim_end().to_owned()
    };
    heard.lock().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn webhooks_are_signed_in_order_and_can_be_disturbed() {
    let (heard, url) = receiver().await;
    let world = World::with(|config| config.webhook = Some(Webhook { url, secret: "s3cret".into() })).await;
    world.open_pull().await;
    world.twin.push_as("ada", REPO, "topic", &[("x", b"x")]).await.unwrap();
    world.twin.settled().await;
    assert_eq!(names(&heard), ["push", "pull_request opened", "push", "pull_request synchronize"]);
    for (headers, body) in heard.lock().unwrap().drain(..) {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s3cret").unwrap();
        mac.update(&body);
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(headers["x-hub-signature-256"], signature.as_str());
    }
    world.twin.webhooks().duplicate(1);
    world.twin.comment_as("ada", REPO, 1, "hi").await.unwrap();
    world.twin.settled().await;
    let ids: Vec<_> =
        heard.lock().unwrap().drain(..).map(|(headers, _)| headers["x-github-delivery"].clone()).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1]);
    world.twin.webhooks().drop_next(1);
    world.twin.comment_as("ada", REPO, 1, "lost").await.unwrap();
    world.twin.settled().await;
    assert_eq!(names(&heard), [""; 0]);
    world.twin.webhooks().reorder(2);
    world.twin.comment_as("ada", REPO, 1, "first").await.unwrap();
    world.twin.close_pull("ada", REPO, 1).await.unwrap();
    world.twin.settled().await;
    assert_eq!(names(&heard), ["pull_request closed", "issue_comment created"]);
    world.spec.assert_conforms();
}

fn ci() -> Ci {
    let run = |_| -> futures::future::BoxFuture<'static, Vec<CheckResult>> {
        Box::pin(async {
            vec![CheckResult {
                name: "CI Pipeline".into(),
                conclusion: "success".into(),
                title: "Passed".into(),
                summary: "all".into(),
                text: None,
            }]
        })
    };
    Ci { names: vec!["CI Pipeline".into(), "harness-smoke".into()], run: Arc::new(run) }
}

#[tokio::test]
async fn each_head_of_a_pull_request_is_checked_and_silence_is_a_failure() {
    let world = World::with(|config| config.ci = Some(ci())).await;
    world.open_pull().await;
    world.twin.settled().await;
    let (_, runs) = world.get(&format!("commits/{}/check-runs", world.head)).await;
    let told =
        |at: usize| (runs["check_runs"][at]["name"].clone(), runs["check_runs"][at]["conclusion"].clone());
    assert_eq!(told(0), (json!("harness-smoke"), json!("failure")));
    assert_eq!(told(1), (json!("CI Pipeline"), json!("success")));
    assert_eq!(runs["check_runs"][0]["app"]["slug"], CI_APP);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn checks_that_a_stop_cut_off_are_run_again() {
    let never: Ci = Ci { names: ci().names, run: Arc::new(|_| Box::pin(std::future::pending())) };
    let world = World::with(|config| config.ci = Some(never)).await;
    let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let (heard, url) = receiver().await;
    world.twin.set_webhook(Some(Webhook { url, secret: "s".into() }));
    world.open_pull().await;
    let watch = Arc::clone(&heard);
    tokio::spawn(async move {
        while names(&watch).iter().filter(|name| *name == "check_run created").count() < 2 {
            tokio::task::yield_now().await;
        }
        let _ = began.send(());
    });
    begun.recv().await.unwrap();
    let ids: Vec<i64> = world.twin.check_runs(REPO).iter().map(|run| run.id).collect();
    let World { twin, data, .. } = world;
    drop(twin);
    let twin = Twin::start(TwinConfig { ci: Some(ci()), ..config(data.path()) }).await.unwrap();
    twin.settled().await;
    let after = twin.check_runs(REPO);
    assert_eq!(after.iter().map(|run| run.id).collect::<Vec<_>>(), ids, "no run is recorded twice");
    assert!(after.iter().all(|run| run.status == "completed"));
}
