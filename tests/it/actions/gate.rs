//! The workflows of a new product on a person's pull request: tier, checks, review, and the gate over all of them.

use std::sync::Arc;

use super::{machine::REPO, product::Product};

const CODE: (&str, &[u8]) = ("services/entry_service.py", b"LIMIT = 7\n");
const GATE: &str = "risk-policy-gate";
/// A workflow of the same file that no pull request starts.
const BY_HAND: &[u8] = b"name: CI\non: workflow_dispatch\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: 'true'\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_low_change_runs_its_tests_after_its_tier_and_nothing_else() {
    let product = Product::quick().await;
    let (head, done) = product.pull("notes", &[("notes.md", b"x")]).await;
    let mut workflows: Vec<&str> = done.iter().map(|done| done.workflow.as_str()).collect();
    workflows.sort_unstable();
    assert_eq!(
        workflows,
        ["Browser Evidence", "CI", "Risk Policy Gate"],
        "a push to a branch deploys nothing"
    );
    assert!(done.iter().all(|done| done.event == "pull_request" && done.ran.is_some()));
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

    // The tests are not reported for this head: neither those of the head before, nor what another app says, stand for them.
    let unreported = product.push("topic", &[("red/test", b""), (".github/workflows/ci.yml", BY_HAND)]).await;
    let twin = &product.actions.site.twin;
    let settling = {
        let actions = Arc::clone(&product.actions);
        tokio::spawn(async move { actions.settle().await })
    };
    looks(&product, &unreported, 2).await;
    twin.set_check("look-alike", REPO, &unreported, "CI Pipeline", Some("success")).await.unwrap();
    twin.set_check("look-alike", REPO, &unreported, "harness-smoke", Some("success")).await.unwrap();
    looks(&product, &unreported, 2).await;
    assert_eq!(product.conclusion(&unreported, GATE), None, "it waits");

    // A newer head ends what waits for an older one.
    let ci = product.actions.site.show(&first, ".github/workflows/ci.yml").await;
    let last = product.push("topic", &[(".github/workflows/ci.yml", ci.as_bytes())]).await;
    settling.await.unwrap();
    product.assert_checks(&unreported, &[(GATE, "cancelled")]);
    product.assert_checks(&last, &asked.map(|name| (name, "success")));
}

/// Waits until the gate has looked at the check runs of a commit so many times more.
async fn looks(product: &Product, head: &str, more: usize) {
    let path = format!("/repos/{REPO}/commits/{head}/check-runs");
    let count = || product.actions.site.twin.ledger().iter().filter(|entry| entry.path == path).count();
    let wanted = count() + more;
    while count() < wanted {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
