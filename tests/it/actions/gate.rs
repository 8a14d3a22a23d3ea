//! The workflows of a new product on a person's pull request: tier, checks, review, and the gate over all of them.

use std::sync::Arc;

use aspora::dev::github::JobEnd;

use super::{machine::REPO, product::Product};

const CODE: (&str, &[u8]) = ("services/entry_service.py", b"LIMIT = 7\n");
const GATE: &str = "risk-policy-gate";
/// What a critical change asks of `ci.yml`, and a change of a workflow is critical.
const ALL: [&str; 4] = ["CI Pipeline", "harness-smoke", "harness-integration", "Security Scan"];
/// A workflow of the same file that no pull request starts.
const BY_HAND: &[u8] = b"name: CI\non: workflow_dispatch\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: 'true'\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_low_change_runs_its_tests_after_its_tier_and_nothing_else() {
    let product = Product::quick().await;
    let (head, done) = product.pull("notes", &[("notes.md", b"x")]).await;
    let mut workflows: Vec<&str> = done.iter().map(|done| done.workflow.as_str()).collect();
    workflows.sort_unstable();
    assert_eq!(workflows, ["Browser Evidence", "CI", "Remediation Agent", "Risk Policy Gate"]);
    let last = done.last().unwrap();
    assert_eq!((last.workflow.as_str(), last.event.as_str()), ("Remediation Agent", "workflow_run"));
    assert_eq!(last.ran.as_ref().unwrap().said["jobs"]["ask"]["result"], "skipped", "the gate did not fail");
    product.assert_checks(
        &head,
        &[
            ("Preflight", "success"),
            ("CI Pipeline", "success"),
            ("harness-smoke", "skipped"),
            ("harness-integration", "skipped"),
            ("Security Scan", "skipped"),
            ("Browser Evidence", "success"),
            (GATE, "success"),
        ],
    );
    let checks = product.checks(&head);
    let place = |name: &str| checks.iter().position(|run| run.name == name).unwrap();
    assert!(place("Preflight") < place("CI Pipeline"), "the tier comes first");
    assert_eq!(product.reviewer.seen(), [], "nobody reviews what is low");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_left_behind_end_a_change_before_anything_costly_runs() {
    let product = Product::quick().await;
    let (head, _) = product.pull("limits", &[("api/v1/limits.py", b"LIMIT = 7\n")]).await;
    let skipped =
        ["CI Pipeline", "harness-smoke", "harness-integration", "Security Scan", "Browser Evidence"];
    product.assert_checks(&head, &skipped.map(|name| (name, "skipped")));
    product.assert_checks(&head, &[("Preflight", "failure"), (GATE, "failure")]);
    let gate = product.checks(&head).into_iter().find(|run| run.name == GATE).unwrap();
    let said: Vec<&str> = gate.annotations.iter().filter_map(|it| it["message"].as_str()).collect();
    assert!(said.iter().any(|it| it.contains("update docs/API.md or docs/ARCHITECTURE.md")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_high_change_passes_by_what_its_tier_asks_for_on_this_very_head() {
    let product = Product::quick().await;
    let (first, _) = product.pull("topic", &[CODE]).await;
    let asked = ["Preflight", "CI Pipeline", "harness-smoke", "Browser Evidence", GATE];
    product.assert_checks(&first, &asked.map(|name| (name, "success")));
    product.assert_checks(&first, &[("harness-integration", "skipped"), ("Security Scan", "skipped")]);
    let (path, key) = &product.reviewer.seen()[0];
    assert!(path.ends_with(&format!("findings?sha={first}")) && key == "Bearer the-key-of-ci", "{path}");

    let red = product.push("topic", &[("red/test", b"x")]).await;
    product.actions.settle().await;
    product
        .assert_checks(&red, &[("CI Pipeline", "failure"), ("harness-smoke", "success"), (GATE, "failure")]);
    let gate = product.checks(&red).into_iter().find(|run| run.name == GATE).unwrap();
    assert!(gate.log.unwrap().contains("CI Pipeline ended as failure"));

    // Nothing is reported for this head: neither what stands at an earlier one, nor what another app says, takes its place.
    report(&product, &first, "success").await;
    let unreported = product.push("topic", &[("red/test", b""), (".github/workflows/ci.yml", BY_HAND)]).await;
    let twin = &product.actions.site.twin;
    let settling = {
        let actions = Arc::clone(&product.actions);
        tokio::spawn(async move { actions.settle().await })
    };
    looks(&product, &unreported, 2).await;
    for job in ALL {
        twin.set_check("look-alike", REPO, &unreported, job, Some("success")).await.unwrap();
    }
    looks(&product, &unreported, 2).await;
    assert_eq!(product.conclusion(&unreported, GATE), None, "it waits");

    // A newer head ends what waits for an older one.
    let ci = product.actions.site.show(&first, ".github/workflows/ci.yml").await;
    let last = product.push("topic", &[(".github/workflows/ci.yml", ci.as_bytes())]).await;
    settling.await.unwrap();
    product.assert_checks(&unreported, &[(GATE, "cancelled")]);
    product.assert_checks(&last, &asked.map(|name| (name, "success")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_was_cancelled_on_this_head_is_waited_for_again() {
    let product = Product::quick().await;
    let twin = Arc::clone(&product.actions.site.twin);
    let files: [(&str, &[u8]); 2] = [("notes.md", b"x"), (".github/workflows/ci.yml", BY_HAND)];
    let head = product.push("ready", &files).await;
    // As when a draft becomes ready while its tests run: the newer run of the workflow has not come to them yet.
    report(&product, &head, "cancelled").await;
    twin.open_pull_as("noor", REPO, "ready", "Ready").await.unwrap();
    let settling = {
        let actions = Arc::clone(&product.actions);
        tokio::spawn(async move { actions.settle().await })
    };
    looks(&product, &head, 2).await;
    assert_eq!(product.conclusion(&head, GATE), None, "it waits");
    report(&product, &head, "success").await;
    settling.await.unwrap();
    product.assert_checks(&head, &[(GATE, "success")]);
}

/// A run of a workflow whose tests end like this, and everything else well.
async fn report(product: &Product, head: &str, conclusion: &str) {
    let twin = &product.actions.site.twin;
    let run = twin.start_workflow(REPO, head, "CI", "pull_request").await.unwrap();
    for job in ALL {
        let conclusion = if job == "CI Pipeline" { conclusion } else { "success" };
        twin.queue_job(REPO, run, job).await.unwrap();
        let end = JobEnd { conclusion: conclusion.to_owned(), ..JobEnd::default() };
        twin.end_job(REPO, run, job, end).await.unwrap();
    }
}

/// Waits until the gate has looked at the check runs of a commit so many times more.
async fn looks(product: &Product, head: &str, more: usize) {
    let path = format!("/repos/{REPO}/commits/{head}/check-runs");
    let count = || product.actions.site.twin.ledger().iter().filter(|entry| entry.path == path).count();
    let wanted = count() + more;
    while count() < wanted {
        assert_eq!(product.conclusion(head, GATE), None, "the gate did not wait");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
