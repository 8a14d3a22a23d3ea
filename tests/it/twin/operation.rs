//! The twin under real git, restarts, injected faults, webhooks and its own CI.

use super::*;

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
    let url = world.twin.git_url(REPO).replace("http://", &format!("http://x-access-token:{}@", world.token));
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
async fn a_restarted_twin_continues_from_its_saved_state() {
    let World { twin, token, spec, data, head } = World::new().await;
    let new = json!({"title": "Risk", "head": "topic", "base": "main"});
    ask(&twin, &token, Method::POST, "pulls", Some(new.clone())).await.unwrap();
    ask(&twin, &token, Method::POST, "issues/1/comments", Some(json!({"body": "hello"}))).await.unwrap();
    let before = twin.pulls(REPO);
    drop(twin);
    let twin = Twin::start(config(data.path())).await.unwrap();
    twin.observe(spec.observer());
    assert_eq!(twin.pulls(REPO), before);
    assert_eq!(twin.comments(REPO)[0].body, "hello");
    assert_eq!(ask(&twin, &token, Method::POST, "pulls", Some(new)).await.unwrap().status(), 422);
    let merged = ask(&twin, &token, Method::PUT, "pulls/1/merge", Some(json!({"sha": head}))).await.unwrap();
    assert_eq!(merged.status(), 200);
    spec.assert_conforms();
}

#[tokio::test]
async fn a_request_that_failed_after_it_was_applied_stays_applied() {
    let world = World::new().await;
    let rule = |fault| FaultRule { method: "POST".into(), path: "/repos/*/*/pulls".into(), nth: 1, fault };
    world.twin.inject(rule(Fault::ErrorBefore(502))).unwrap();
    assert_eq!(world.open_pull().await.0, 502);
    assert_eq!(world.twin.pulls(REPO).len(), 0, "a request that fails before is not applied");
    world.twin.clear_faults();
    let phases = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&phases);
    world.twin.on_request(Arc::new(move |request, phase| {
        seen.lock().unwrap().push((request.mutating, phase));
    }));
    world.twin.inject(rule(Fault::ApplyThenError(500))).unwrap();
    assert_eq!(world.open_pull().await.0, 500);
    assert_eq!(world.open_pull().await.0, 422, "the first one was applied");
    assert_eq!(world.twin.pulls(REPO).len(), 1);
    assert_eq!(phases.lock().unwrap()[..2], [(true, Phase::Before), (true, Phase::AfterApply)]);
    let ledger = world.twin.ledger();
    let opened = ledger.iter().filter(|entry| entry.path.ends_with("/pulls"));
    let answers: Vec<_> = opened.map(|entry| (entry.status, entry.applied)).collect();
    assert_eq!(answers, [(502, false), (500, true), (422, false)]);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_request_with_a_cut_answer_is_applied_and_limits_carry_retry_after() {
    let world = World::new().await;
    let rule = |path: &str, fault| FaultRule { method: "*".into(), path: path.into(), nth: 1, fault };
    world.twin.inject(rule("/repos/*/*/pulls", Fault::ApplyThenCut)).unwrap();
    let new = json!({"title": "Risk", "head": "topic", "base": "main"});
    assert!(ask(&world.twin, &world.token, Method::POST, "pulls", Some(new)).await.is_err());
    assert_eq!(world.twin.pulls(REPO).len(), 1);
    world.twin.inject(rule("/user", Fault::SecondaryLimit(7))).unwrap();
    let answer = ask(&world.twin, &world.token, Method::GET, "/user", None).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (403, &"7".parse().unwrap()));
    world.twin.inject(rule("/app", Fault::TooMany(3))).unwrap();
    assert_eq!(ask(&world.twin, &world.token, Method::GET, "/app", None).await.unwrap().status(), 429);
}

pub(super) type Received = Arc<Mutex<Vec<(http::HeaderMap, bytes::Bytes)>>>;

/// A receiver of webhooks, and its URL.
pub(super) async fn receiver() -> (Received, String) {
    let received = Received::default();
    let keep = Arc::clone(&received);
    let receive = async move |headers: http::HeaderMap, body: bytes::Bytes| {
        keep.lock().unwrap().push((headers, body));
    };
    let router = axum::Router::new().route("/hook", axum::routing::post(receive));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (received, url)
}

pub(super) fn names(received: &Received) -> Vec<String> {
    let name = |(headers, body): &(http::HeaderMap, bytes::Bytes)| {
        let body: Value = serde_json::from_slice(body).unwrap();
        let event = headers["x-github-event"].to_str().unwrap();
        format!("{event} {}", body["action"].as_str().unwrap_or("")).trim_end().to_owned()
    };
    received.lock().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn webhooks_are_signed_and_in_order_unless_a_fault_disturbs_them() {
    let (received, url) = receiver().await;
    let world = World::with(|config| config.webhook = Some(Webhook { url, secret: "s3cret".into() })).await;
    world.open_pull().await;
    world.twin.push_as("ada", REPO, "topic", &[("x", b"x")]).await.unwrap();
    world.twin.settled().await;
    let installed = "installation created";
    assert_eq!(
        names(&received),
        ["push", installed, "pull_request opened", "push", "pull_request synchronize"]
    );
    for (headers, body) in received.lock().unwrap().drain(..) {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s3cret").unwrap();
        mac.update(&body);
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(headers["x-hub-signature-256"], signature.as_str());
    }
    world.twin.webhooks().duplicate(1);
    world.twin.comment_as("ada", REPO, 1, "hi").await.unwrap();
    world.twin.settled().await;
    let ids: Vec<_> =
        received.lock().unwrap().drain(..).map(|(headers, _)| headers["x-github-delivery"].clone()).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1]);
    world.twin.webhooks().drop_next(1);
    world.twin.comment_as("ada", REPO, 1, "lost").await.unwrap();
    world.twin.settled().await;
    assert_eq!(names(&received), [""; 0]);
    world.twin.webhooks().reorder(2);
    world.twin.comment_as("ada", REPO, 1, "first").await.unwrap();
    world.twin.close_pull("ada", REPO, 1).await.unwrap();
    world.twin.settled().await;
    assert_eq!(names(&received), ["pull_request closed", "issue_comment created"]);
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
    Ci { names: vec!["CI Pipeline".into(), "harness-smoke".into()].into(), run: Arc::new(run) }
}

#[tokio::test]
async fn each_head_of_a_pull_request_is_checked_and_a_missing_result_is_a_failure() {
    let world = World::with(|config| config.ci = Some(ci())).await;
    world.open_pull().await;
    world.twin.settled().await;
    let (_, runs) = world.get(&format!("commits/{}/check-runs", world.head)).await;
    let check =
        |at: usize| (runs["check_runs"][at]["name"].clone(), runs["check_runs"][at]["conclusion"].clone());
    assert_eq!(check(0), (json!("harness-smoke"), json!("failure")));
    assert_eq!(check(1), (json!("CI Pipeline"), json!("success")));
    assert_eq!(runs["check_runs"][0]["app"]["slug"], CI_APP);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn checks_that_a_stop_interrupted_are_run_again() {
    let never: Ci = Ci { names: ci().names, run: Arc::new(|_| Box::pin(std::future::pending())) };
    let world = World::with(|config| config.ci = Some(never)).await;
    let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let (received, url) = receiver().await;
    world.twin.set_webhook(Some(Webhook { url, secret: "s".into() }));
    world.open_pull().await;
    let watch = Arc::clone(&received);
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
    assert_eq!(after.iter().map(|run| run.id).collect::<Vec<_>>(), ids, "no run is saved twice");
    assert!(after.iter().all(|run| run.status == "completed"));
}
