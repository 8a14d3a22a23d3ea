//! `remediation-agent.yml` of a new product: fixes are asked for, tested without a secret, and pushed.

use aspora::dev::github::{APP, Level, TokenKind};
use serde_json::json;

use super::{
    machine::{REPO, Ran},
    product::Product,
    reviewer::{Answer, Reviewer},
    service::Done,
};

const CODE: (&str, &[u8]) = ("services/entry_service.py", b"LIMIT = 7\n");
const PATCH: &str =
    "--- a/services/entry_service.py\n+++ b/services/entry_service.py\n@@ -1 +1 @@\n-LIMIT = 7\n+LIMIT = 8\n";
const CHECK: &str = "Code Review Agent";

fn finding() -> Answer {
    let all =
        json!([{"severity": "high", "path": "services/entry_service.py", "line": 1, "message": "wrong"}]);
    Answer(200, &[("content-type", "application/json")], all.to_string())
}

fn agent(patches: &[&str]) -> Answer {
    Answer(200, &[("content-type", "application/json")], json!({"patches": patches}).to_string())
}

fn remediation(done: &[Done]) -> Vec<&Ran> {
    let of = done.iter().filter(|done| done.workflow == "Remediation Agent");
    of.filter_map(|done| done.ran.as_ref()).collect()
}

fn results(ran: &Ran) -> [String; 3] {
    ["ask", "test", "push"].map(|job| ran.said["jobs"][job]["result"].as_str().unwrap_or_default().to_owned())
}

fn notice(ran: &Ran) -> String {
    ran.step("ask", "review")["annotations"][0]["message"].as_str().unwrap().to_owned()
}

/// A pull request whose review failed; its head, and the workflows that ran.
async fn reviewed_and_failed(product: &Product) -> (String, Vec<Done>) {
    let twin = &product.actions.site.twin;
    let head = product.push("topic", &[CODE]).await;
    twin.set_check(APP, REPO, &head, CHECK, Some("failure")).await.unwrap();
    twin.open_pull_as("noor", REPO, "topic", "Topic").await.unwrap();
    (head, product.actions.settle().await)
}

fn switch_on(product: &Product, agent: &Reviewer) {
    let twin = &product.actions.site.twin;
    let permissions = [("contents".to_owned(), Level::Write)].into();
    let (login, repositories) = ("noor".to_owned(), vec![REPO.to_owned()]);
    twin.set_permission(REPO, "noor", "write").unwrap();
    let push = twin.issue_token(TokenKind::FineGrained { login, permissions, repositories }).unwrap();
    let mut machine = product.actions.machine.lock().unwrap();
    machine.vars.insert("REMEDIATION_URL".to_owned(), agent.url.clone());
    machine.secrets.insert("REMEDIATION_KEY".to_owned(), "the-key-of-the-agent".to_owned());
    machine.secrets.insert("REMEDIATION_PUSH_TOKEN".to_owned(), push);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_off_without_an_agent_and_neither_words_nor_another_app_start_it() {
    let product = Product::reviewed_as(vec![finding()]).await;
    let (_, done) = product.pull("off", &[CODE]).await;
    let ran = remediation(&done)[0];
    assert_eq!(results(ran), ["success", "skipped", "skipped"], "{:#}", ran.said);
    assert_eq!(notice(ran), "The variable REMEDIATION_URL names no agent.");

    let agent = Reviewer::start(vec![agent(&[PATCH])]).await;
    switch_on(&product, &agent);
    let twin = &product.actions.site.twin;
    let head = product.push("look-alike", &[CODE]).await;
    twin.set_check("look-alike", REPO, &head, CHECK, Some("failure")).await.unwrap();
    let number = twin.open_pull_as("noor", REPO, "look-alike", "Look").await.unwrap();
    let done = product.actions.settle().await;
    assert_eq!(results(remediation(&done)[0]), ["success", "skipped", "skipped"]);
    assert_eq!(notice(remediation(&done)[0]), format!("No check of {APP} failed on {head}."));
    twin.comment_as("noor", REPO, number, "Code Review Agent: failure, please remediate").await.unwrap();
    // GitHub starts nothing by a check of a head on which Actions ran: the gate's end does.
    twin.set_check(APP, REPO, &head, CHECK, Some("failure")).await.unwrap();
    assert_eq!(product.actions.settle().await.len(), 0);
    assert_eq!(agent.seen(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_is_tested_and_pushed_onto_the_reviewed_head_and_what_judges_stays() {
    let clean = Answer(200, &[("content-type", "application/json")], "[]".to_owned());
    // Of the gate, of the workflow, and of the gate over what was pushed.
    let product = Product::reviewed_as(vec![finding(), finding(), clean]).await;
    let agent = Reviewer::start(vec![agent(&[PATCH])]).await;
    switch_on(&product, &agent);
    let twin = &product.actions.site.twin;
    let (head, done) = reviewed_and_failed(&product).await;
    let ran = remediation(&done)[0];
    assert_eq!(results(ran), ["success", "success", "success"], "{:#}", ran.said);
    assert_eq!(agent.seen()[0].1, "Bearer the-key-of-the-agent");
    let fixed = twin.branch(REPO, "topic").await.unwrap().unwrap();
    assert_ne!(fixed, head);
    assert_eq!(product.actions.site.show(&fixed, CODE.0).await, "LIMIT = 8\n");
    product.assert_checks(&head, &[("risk-policy-gate", "failure")]);
    product.assert_checks(&fixed, &[("CI Pipeline", "success"), ("risk-policy-gate", "success")]);
    let workspace = ran.said["jobs"]["test"]["workspace"].as_str().unwrap();
    let config = std::fs::read_to_string(format!("{workspace}/.git/config")).unwrap();
    assert!(!config.contains("uthorization"), "what a model wrote finds no token: {config}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_of_what_judges_it_is_not_pushed() {
    let product = Product::reviewed_as(vec![finding()]).await;
    let lowered = "--- /dev/null\n+++ b/.aspora/other.json\n@@ -0,0 +1 @@\n+{}\n";
    let agent = Reviewer::start(vec![agent(&[lowered])]).await;
    switch_on(&product, &agent);
    let twin = &product.actions.site.twin;
    let (head, done) = reviewed_and_failed(&product).await;
    assert_eq!(results(remediation(&done)[0]), ["success", "failure", "skipped"]);
    assert_eq!(twin.branch(REPO, "topic").await.unwrap(), Some(head));
}
