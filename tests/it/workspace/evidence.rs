//! The evidence of flows, captured in a real browser in the sandbox by the package that products use.

use aspora::dev::{EvidenceInbox, ci::CiJob, product::wealth};
use axum::{Json, Router, http::HeaderMap, routing::post};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::*;

/// A server that takes evidence as ours does, and answers that all of it is verified.
pub(super) async fn server() -> (EvidenceInbox, mpsc::UnboundedReceiver<(String, Value)>) {
    let (send, received) = mpsc::unbounded_channel();
    let take = move |headers: HeaderMap, Json(body): Json<Value>| {
        let key = headers["authorization"].to_str().unwrap().to_owned();
        let flows = body["manifests"].as_array().unwrap().iter();
        let flows: Vec<Value> =
            flows.map(|it| json!({"flow": it["flow"], "verified": true, "faults": []})).collect();
        send.send((key, body)).unwrap();
        async move { Json(json!({"conclusion": "success", "flows": flows, "missing": []})) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let inbox = EvidenceInbox::default();
    inbox.open(format!("http://{}", listener.local_addr().unwrap()), "a-key".into());
    let routes = Router::new().route("/api/v1/evidence", post(take));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (inbox, received)
}

fn job(world: &World, sha: Sha) -> CiJob {
    let (repository, name) = (world.remote(), "acme/wealth".to_owned());
    CiJob { repository, name, sha, changed: Vec::new(), checks: vec!["capture-evidence".to_owned()] }
}

#[tokio::test]
async fn the_flows_of_wealth_are_captured_in_a_real_browser_and_sent() {
    let world = World::new();
    for (path, bytes) in wealth() {
        world.write(path, std::str::from_utf8(bytes).unwrap());
    }
    let (inbox, mut received) = server().await;
    let ci = product_ci(crate::support::sandbox().await, inbox);
    let sha = world.publish("main");
    let result = (ci.run)(job(&world, sha.clone())).await.pop().unwrap();
    assert_eq!((&*result.conclusion, &*result.title), ("success", "Captured and sent"), "{result:#?}");
    let (key, body) = received.recv().await.unwrap();
    assert_eq!(
        (&*key, &body["repository"], &body["head_sha"]),
        ("Bearer a-key", &json!("acme/wealth"), &json!(sha.as_str()))
    );
    let manifests = body["manifests"].as_array().unwrap();
    let flows: Vec<_> = manifests.iter().map(|it| it["flow"].as_str().unwrap()).collect();
    assert_eq!(flows, ["goal-tracking", "portfolio-view", "trade-execution"]);
    for manifest in manifests {
        let assertions = manifest["assertions"].as_array().unwrap();
        assert!(assertions.len() >= 4 && assertions.iter().all(|it| it["passed"] == true), "{manifest:#}");
        assert_eq!(manifest["observed"]["identity"], true, "{manifest:#}");
        assert_eq!(manifest["observed"]["entrypoint"], manifest["entrypoint"], "{manifest:#}");
        let shot = &manifest["screenshots"][0];
        let file = body["files"].as_array().unwrap().iter().find(|it| it["path"] == shot["path"]).unwrap();
        let image = BASE64_STANDARD.decode(file["content"].as_str().unwrap()).unwrap();
        assert_eq!(image[..8], *b"\x89PNG\r\n\x1a\n");
        assert_eq!(shot["sha256"], hex::encode(Sha256::digest(&image)), "{manifest:#}");
    }

    // A page that is broken is red, and its evidence is sent all the same: it says what failed.
    world.write("frontend/goals.js", "throw new Error('no goals');\n");
    let sha = world.publish("main");
    let result = (ci.run)(job(&world, sha.clone())).await.pop().unwrap();
    assert_eq!(result.conclusion, "failure", "{result:#?}");
    let (_, body) = received.recv().await.unwrap();
    let goals = &body["manifests"][0];
    assert_eq!((&goals["flow"], &goals["tests"][0]["passed"]), (&json!("goal-tracking"), &json!(false)));
    assert_eq!(goals["console_errors"], json!(["Error: no goals"]));
    assert_eq!(body["manifests"][1]["tests"][0]["passed"], true, "the others are as they were");
}

/// What the manifest of a flow says: the assertions that did not pass, whether each test passed, and the number of screenshots.
fn said(manifest: &Value) -> (Vec<&str>, Vec<bool>, usize) {
    let assertions = manifest["assertions"].as_array().unwrap().iter();
    let missed = assertions.filter(|it| it["passed"] != true).map(|it| it["name"].as_str().unwrap());
    let tests = manifest["tests"].as_array().unwrap().iter().map(|it| it["passed"] == true);
    (missed.collect(), tests.collect(), manifest["screenshots"].as_array().unwrap().len())
}

#[tokio::test]
async fn the_package_believes_what_it_observes_and_not_what_a_test_says() {
    let world = World::new();
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/browser-evidence");
    let files = ["package.json", "package-lock.json", "playwright.config.ts", "server.mjs"];
    let files =
        files.into_iter().chain(["tests/browser/kinds.spec.ts", "tests/browser/portfolio-view.spec.ts"]);
    for path in files {
        world.write(path, &fs::read_to_string(specs.join(path)).unwrap());
    }
    for (path, bytes) in wealth().iter().filter(|(path, _)| path.starts_with("tools/")) {
        world.write(path, std::str::from_utf8(bytes).unwrap());
    }
    let (inbox, mut received) = server().await;
    let sha = world.publish("main");
    let ci = product_ci(crate::support::sandbox().await, inbox);
    let result = (ci.run)(job(&world, sha)).await.pop().unwrap();
    assert_eq!(result.conclusion, "failure", "{result:#?}");
    let Ok((_, body)) = received.try_recv() else { panic!("nothing was sent: {result:#?}") };
    let found = |flow: &str| {
        let mut all = body["manifests"].as_array().unwrap().iter();
        all.find(|it| it["flow"] == flow).unwrap_or_else(|| panic!("no {flow}: {result:#?}"))
    };
    let check = |flow: &str, missed: &[&str], tests: &[bool], screenshots: usize| {
        assert_eq!(
            said(found(flow)),
            (missed.to_vec(), tests.to_vec(), screenshots),
            "{flow}: {:#}",
            found(flow)
        );
    };
    // The spec of the document as it stands there: its second test is empty, two clocks name its screenshot, and it listens to
    // the console after the page has been opened.
    check("portfolio-view", &[], &[true], 1);
    check("prints", &["no_console_errors"], &[false], 1);
    assert_eq!(found("prints")["console_errors"], json!(["no quotes today"]));
    check("throws", &["no_console_errors"], &[false], 1);
    check("asks", &["no_console_errors"], &[false], 1);
    assert_eq!(found("asks")["observed"]["failed_requests"], json!(["GET /fails: 500"]));
    check("elsewhere", &["expected_entrypoint_exists"], &[false], 1);
    assert_eq!(found("elsewhere")["observed"]["entrypoint"], "/dashboard/goals");
    check("missing", &["expected_entrypoint_exists", "no_console_errors"], &[false], 1);
    assert_eq!(found("missing")["observed"]["entrypoint"], Value::Null);
    check("redirected", &[], &[true], 1);
    check("stranger", &["expected_account_identity_present"], &[false], 1);
    assert_eq!(found("stranger")["observed"]["identity"], false);
    check("forgotten", &["seen"], &[false], 1);
    check("undeclared", &["expected_account_identity_present", "no_console_errors"], &[false], 0);
    check("invented", &["no_console_errors"], &[false], 0);
    check("late", &[], &[false], 1);
    assert_eq!(found("late")["traces"], json!([]), "none was asked for");
    let all =
        ["seen", "expected_entrypoint_exists", "expected_account_identity_present", "no_console_errors"];
    check("unsaved", &all, &[false], 0);
    let pair = found("pair")["tests"].as_array().unwrap();
    assert_eq!(pair.iter().filter(|it| it["passed"] == true).count(), 1, "{pair:#?}");
    check("twins", &[], &[true, true], 2);
    for manifest in body["manifests"].as_array().unwrap() {
        for shot in manifest["screenshots"].as_array().unwrap() {
            assert!(body["files"].as_array().unwrap().iter().any(|it| it["path"] == shot["path"]), "{shot}");
        }
    }
}
