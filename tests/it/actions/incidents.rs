//! `harness-gap-tracker.yml` of a new product: an incident ends with a case of the harness.

use reqwest::Method;
use serde_json::json;

use super::{machine::REPO, product::Product};

const LABEL: &str = "harness-gap";

async fn incident(product: &Product, title: &str, labels: &[&str]) -> i64 {
    let number = product.actions.site.twin.open_issue_as("noor", REPO, title, labels).await.unwrap();
    product.actions.settle().await;
    number
}

fn comments(product: &Product, issue: i64) -> Vec<String> {
    let all = product.actions.site.twin.comments(REPO);
    all.into_iter().filter(|comment| comment.issue == issue).map(|comment| comment.body).collect()
}

fn is_open(product: &Product, issue: i64) -> bool {
    let all = product.actions.site.twin.issues(REPO);
    all.iter().find(|known| known.number == issue).unwrap().closed_at.is_none()
}

/// Merges a pull request with this text; what the steps that look for its case said in their summaries.
async fn merged(product: &Product, branch: &str, body: &str, files: &[(&str, &[u8])]) -> Vec<String> {
    let twin = &product.actions.site.twin;
    product.push(branch, files).await;
    let number = twin.open_pull_as("noor", REPO, branch, branch).await.unwrap();
    let body = json!({"body": body});
    product.actions.site.ask(Method::PATCH, &format!("pulls/{number}"), Some(body)).await;
    product.actions.settle().await;
    twin.merge_as("noor", REPO, number).await.unwrap();
    let done = product.actions.settle().await;
    let runs = done
        .iter()
        .filter(|done| done.workflow == "Harness Gap Tracker")
        .filter_map(|done| done.ran.as_ref());
    let steps = runs.flat_map(|ran| ran.said["jobs"]["verify"]["steps"].as_array().unwrap());
    steps.map(|step| step["summary"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_gets_its_deadline_once_and_ends_with_a_case_alone() {
    let product = Product::quick().await;
    let silent = incident(&product, "A question", &["question"]).await;
    assert_eq!(comments(&product, silent), Vec::<String>::new());
    let first = incident(&product, "Wrong sums", &[LABEL]).await;
    let said = comments(&product, first);
    assert_eq!(said.len(), 1, "opened and labeled are one incident: {said:?}");
    assert!(said[0].starts_with("A case in tests/harness is due by 2"), "{said:?}");
    let twin = &product.actions.site.twin;
    twin.label_issue_as("noor", REPO, silent, LABEL).await.unwrap();
    // Another label right after it takes nobody's turn.
    twin.label_issue_as("noor", REPO, silent, "bug").await.unwrap();
    product.actions.settle().await;
    assert_eq!(comments(&product, silent).len(), 1);

    // By hand, and by a change without a case, it does not end.
    twin.close_issue_as("noor", REPO, first).await.unwrap();
    product.actions.settle().await;
    assert!(is_open(&product, first), "nothing was merged");
    let reopened = comments(&product, first).pop().unwrap();
    assert!(reopened.starts_with("No merged pull request that closes this issue"), "{reopened}");
    merged(&product, "code-only", &format!("Fixes #{first}"), &[("notes.md", b"x")]).await;
    assert!(is_open(&product, first), "it has no case");

    let case: (&str, &[u8]) = ("tests/harness/test_sums.py", b"def test_sums():\n    pass\n");
    let summaries = merged(&product, "case", &format!("Fixes #{first}"), &[case]).await.join("\n");
    assert!(!is_open(&product, first));
    assert!(summaries.contains("tests/harness/test_sums.py"), "{summaries}");
    let counted = "Incidents tracked: 2\nConverted to cases: 1 (50 %)";
    assert!(summaries.contains(counted), "{summaries}");
}
