//! The workflows of `deploy/actions/examples`, which products copy.

use aspora::dev::github::JobEnd;
use serde_json::{Value, json};

use super::{
    machine::{Machine, PIN, Pull, REPO, Ran, Site},
    registry::{Registry, root},
    reviewer::{Answer, Reviewer},
};

const TEST: &[u8] =
    b"import unittest\n\n\nclass Case(unittest.TestCase):\n    def test(self):\n        pass\n";
const GATE: &str = "risk-policy-gate";

/// A product whose tests pass.
async fn product() -> Site {
    let files: [(&str, &[u8]); 4] = [
        ("tests/__init__.py", b""),
        ("tests/test_a.py", TEST),
        ("tests/harness/__init__.py", b""),
        ("tests/harness/test_h.py", TEST),
    ];
    Site::new(&files).await
}

/// Runs the example on a pull request, or in a merge group with its head, and a reviewer.
async fn run(
    site: &Site,
    registry: &Registry,
    pull: &Pull,
    event: &str,
    findings: &Value,
) -> (Ran, Reviewer) {
    let (missing, found) = (json!({"detail": "not yet"}).to_string(), findings.to_string());
    let reviewer = Reviewer::start(vec![Answer(404, &[], missing), Answer(200, &[], found)]).await;
    let mut machine =
        Machine::with_registry(&registry.url).with_tokens(&site.twin, REPO, &["", "contents=read"]);
    machine = machine.with_secret("ASPORA_API_KEY", "the-key-of-ci");
    let url = reviewer.url.trim_end_matches("/api/v1").to_owned();
    machine.vars.insert("ASPORA_URL".to_owned(), url);
    let mut github = site.github(pull);
    if event == "merge_group" {
        let group = json!({"base_sha": pull.base, "head_sha": pull.head});
        github["event"] = json!({"action": "checks_requested", "merge_group": group});
        github["event_name"] = json!(event);
    }
    let text = std::fs::read_to_string(root().join("deploy/actions/examples/code-factory.yml")).unwrap();
    let text = text.replace("reviews_url:", "poll_seconds: 0.02\n          reviews_url:");
    (machine.run(json!({"text": text}), &github).await, reviewer)
}

#[track_caller]
fn assert_results(ran: &Ran, expected: [(&str, &str); 5]) {
    for (job, result) in expected {
        assert_eq!(ran.said["jobs"][job]["result"], result, "{job}: {:#}", ran.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_then_checks_then_review_lead_to_the_gate() {
    let (registry, site) = (Registry::start().await, product().await);
    let pull = site.pull("topic", "Risk", &[("services/risk_checker.py", b"x")]).await;
    let (ran, reviewer) = run(&site, &registry, &pull, "pull_request", &json!([])).await;
    let all = ["preflight", "ci", "harness", "code-review", GATE].map(|job| (job, "success"));
    assert_results(&ran, all);
    assert_eq!(reviewer.seen()[1].1, "Bearer the-key-of-ci");
    for job in ["preflight", "ci", "harness"] {
        let workspace = ran.said["jobs"][job]["workspace"].as_str().unwrap();
        let config = std::fs::read_to_string(format!("{workspace}/.git/config")).unwrap();
        assert!(!config.contains("AUTHORIZATION"), "the job's code may not find its token: {config}");
    }
    let found =
        json!([{"severity": "high", "path": "a.py", "line": 1, "message": "wrong", "head_sha": pull.head}]);
    let (ran, _) = run(&site, &registry, &pull, "pull_request", &found).await;
    let most = ["preflight", "ci", "harness"].map(|job| (job, "success"));
    assert_results(&ran, [most[0], most[1], most[2], ("code-review", "failure"), (GATE, "failure")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tier_does_not_ask_for_is_skipped_and_what_fails_holds_the_gate() {
    let (registry, site) = (Registry::start().await, product().await);
    let low = site.pull("low", "Low", &[("notes.md", b"x")]).await;
    let (ran, reviewer) = run(&site, &registry, &low, "pull_request", &json!([])).await;
    let passed = [("preflight", "success"), ("ci", "success"), (GATE, "success")];
    assert_results(
        &ran,
        [passed[0], passed[1], ("harness", "skipped"), ("code-review", "skipped"), passed[2]],
    );
    assert!(reviewer.seen().is_empty());

    let drift = site.pull("drift", "Drift", &[("api/v1/a.py", b"x")]).await;
    let (ran, _) = run(&site, &registry, &drift, "pull_request", &json!([])).await;
    let skipped = ["ci", "harness", "code-review"].map(|job| (job, "skipped"));
    assert_results(&ran, [("preflight", "failure"), skipped[0], skipped[1], skipped[2], (GATE, "failure")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_group_runs_the_checks_and_waits_for_no_review() {
    let (registry, site) = (Registry::start().await, product().await);
    let pull = site.pull("topic", "Risk", &[("services/risk_checker.py", b"x")]).await;
    let (ran, reviewer) = run(&site, &registry, &pull, "merge_group", &json!([])).await;
    let passed = ["preflight", "ci", "harness", GATE].map(|job| (job, "success"));
    assert_results(&ran, [passed[0], passed[1], passed[2], ("code-review", "skipped"), passed[3]]);
    assert!(reviewer.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_gave_up_is_run_again_once_its_review_has_succeeded() {
    let site = Site::new(&[]).await;
    let pull = site.pull("topic", "Late", &[("a.py", b"1")]).await;
    let gate = site.twin.run_workflow(REPO, &pull.head, "Code factory", &[GATE]).await.unwrap();
    site.twin.move_job(REPO, gate, GATE).await.unwrap();
    let failed = JobEnd { conclusion: "failure".to_owned(), ..JobEnd::default() };
    site.twin.end_job(REPO, gate, GATE, failed).await.unwrap();
    let runs = || site.twin.workflow_runs(REPO).into_iter().find(|run| run.id == gate).unwrap();
    let text = std::fs::read_to_string(root().join("deploy/actions/examples/rerun-gate.yml")).unwrap();
    // The twin names the files of workflows by their numbers.
    let text = text.replace("workflows/code-factory.yml", &format!("workflows/{}.yml", runs().workflow));
    let machine = Machine::default().with_tokens(&site.twin, REPO, &["actions=write"]);
    let on = async |app: &str, conclusion: &str| {
        let check = json!({"name": "Code Review Agent", "app": {"slug": app}, "conclusion": conclusion,
            "head_sha": pull.head});
        let mut github = site.github(&pull);
        github["event"] = json!({"action": "completed", "check_run": check});
        github["event_name"] = json!("check_run");
        let ran = machine.run(json!({"text": text}), &github).await;
        (ran.said["jobs"]["rerun"]["result"].as_str().unwrap().to_owned(), runs().attempt)
    };
    assert_eq!(on("look-alike", "success").await, ("skipped".to_owned(), 1));
    assert_eq!(on("aspora-coding-agent", "failure").await, ("skipped".to_owned(), 1));
    assert_eq!(on("aspora-coding-agent", "success").await, ("success".to_owned(), 2));
    assert_eq!(on("aspora-coding-agent", "success").await, ("success".to_owned(), 2), "it runs already");
}

#[test]
fn the_examples_pin_one_commit_of_ours() {
    let text = include_str!("../../../deploy/actions/examples/code-factory.yml");
    let pins: Vec<&str> = text.lines().filter_map(|line| line.split("uses: aspora/aspora/").nth(1)).collect();
    let commit = |pin: &str| pin.split(['@', ' ']).nth(1).unwrap().to_owned();
    assert!(pins.len() == 2 && commit(pins[0]) == commit(pins[1]), "{pins:?}");
    assert_eq!(commit(pins[0]).len(), PIN.len());
    assert!(pins.iter().all(|pin| pin.ends_with(concat!(" # v", env!("CARGO_PKG_VERSION")))), "{pins:?}");
}
