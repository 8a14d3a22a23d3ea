//! A product's own CI asks Aspora for its review of a head.

use aspora::llm::Task;
use serde_json::json;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, finds, generates},
    support::key,
    world::{REPO, World},
};
use crate::actions::{
    machine::{Machine, github},
    waits::{assert_ended, assert_step_ended, wait},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_products_own_ci_waits_for_our_review_of_exactly_its_head() {
    const PATH: &str = "lib/round.py";
    let world = World::with(|setup| {
        setup.script = generates(&file(PATH, "ROUND = 0"))
            .with(Task::Review, &[], &[], &finds("high", PATH, "the round is wrong"))
            .with(Task::Remediate, &[], &[], "=== decline: the specification wants it so\n");
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let (head, number) = (world.head(run).await, world.twin.pulls(REPO)[0].number);
    let main = world.twin.branch(REPO, "main").await.unwrap().unwrap();
    let event = json!({"number": number, "pull_request": {"number": number, "head": {"sha": head}}});
    let (machine, url) = (Machine::without_permissions(), format!("{}/api/v1", world.url));
    let github = github(&world.twin.url(), REPO, &head, &event);
    let with = |head: &str, key: &str| json!({"head_sha": head, "reviews_url": url, "api_key": key});
    let asks = [with(&head, key().reveal()), with(&main, key().reveal()), with(&head, "no-key")];
    let ran = wait(&machine, &github, "", &asks).await;
    assert_ended(&ran, "findings", "1 actionable (1 blocking)");
    assert_step_ended(
        &ran,
        "wait-1",
        "timeout",
        &format!("no review of {main} on {REPO}#{number} is complete"),
    );
    assert_step_ended(&ran, "wait-2", "refused", "401");

    let (_, findings) = world.call("GET", &format!("runs/{run}/findings"), None).await;
    let fingerprint = findings[0]["fingerprint"].as_str().unwrap();
    let reason = json!({"reason": "the specification wants it so"});
    world.call("POST", &format!("runs/{run}/findings/{fingerprint}/dismiss"), Some(reason)).await;
    let ran = wait(&machine, &github, "", &asks[..1]).await;
    assert_ended(&ran, "clean", "0 actionable (0 blocking)");
}
