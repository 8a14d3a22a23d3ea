//! What becomes of findings, and reviews that cannot be made.

use aspora::{llm::Task, store};
use serde_json::{Value, json};

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, finds, generates, with_clean_reviews},
    world::World,
};

const PATH: &str = "lib/round.py";

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_fixed_where_their_lines_changed_and_otherwise_gone() {
    let text = |first: &str| format!("ROUND = {first}\n{}LAST = 1", "A = 1\n".repeat(8));
    let found = json!({"summary": "Two flaws.", "findings": [
        {"severity": "high", "path": PATH, "line": 1, "message": "the round is wrong"},
        {"severity": "low", "path": PATH, "line": 10, "message": "the last is plain"},
    ]});
    let world = World::with(|setup| {
        let script = generates(&file(PATH, &text("0")))
            .with(Task::Review, &["+ROUND = 0"], &[], &found.to_string())
            .with(Task::Remediate, &["the round is wrong"], &[], &file(PATH, &text("1")));
        setup.script = with_clean_reviews(script);
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let (_, findings) = world.call("GET", &format!("runs/{run}/findings"), None).await;
    let head = world.head(run).await;
    let states: Vec<_> =
        findings.as_array().unwrap().iter().map(|it| (&it["line"], &it["state"], &it["state_sha"])).collect();
    let head = json!(head);
    assert_eq!(states, [(&json!(1), &json!("fixed"), &head), (&json!(10), &json!("gone"), &head)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_that_a_person_dismisses_no_longer_blocks() {
    let world = World::with(|setup| {
        let declined = "=== decline: the specification wants it so\n";
        setup.script = generates(&file(PATH, "ROUND = 0"))
            .with(Task::Review, &[], &[], &finds("high", PATH, "the round is wrong"))
            .with(Task::Remediate, &[], &[], declined);
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let (_, findings) = world.call("GET", &format!("runs/{run}/findings"), None).await;
    let path = |fingerprint: &Value| format!("runs/{run}/findings/{}/dismiss", fingerprint.as_str().unwrap());
    let path = path(&findings[0]["fingerprint"]);
    let reason = json!({"reason": "the specification wants it so"});
    let (status, problem) = world.call("POST", &path, Some(json!({"reason": ""}))).await;
    assert_eq!(status, 422, "{problem}");
    let none = path.replace(findings[0]["fingerprint"].as_str().unwrap(), "0000");
    assert_eq!(world.call("POST", &none, Some(reason.clone())).await.0, 404);
    for _ in 0..2 {
        let (status, dismissed) = world.call("POST", &path, Some(reason.clone())).await;
        assert_eq!((status, &dismissed[0]["state"]), (200, &json!("dismissed")), "{dismissed}");
        assert_eq!(dismissed[0]["state_note"], reason["reason"], "{dismissed}");
        assert_eq!(
            (&dismissed[0]["state_by"], &dismissed[0]["state_sha"]),
            (&json!(super::support::PERSON), &findings[0]["head_sha"])
        );
    }
    let history = world.history(run).await;
    let dismissal = "dismissed lib/round.py:1 the round is wrong: the specification wants it so";
    assert_eq!(history.matches(dismissal).count(), 1, "once, with the reason: {history}");
    world.control(run, "retry", &json!({"reason": "dismissed", "step": "verdict"})).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.model_calls(Task::Review), 1);
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_not_shown_whole_to_the_reviewer_needs_a_person() {
    let world = World::with(|setup| {
        let large = file("lib/large.py", &"NUMBERS = 123456789\n".repeat(12_000));
        setup.script = with_clean_reviews(generates(&large));
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("failed: the reviewer would not be shown all but the first"), "{reason}");
    let paid = (world.model_calls(Task::Review), world.model_calls(Task::Remediate), world.merges());
    assert_eq!(paid, (0, 0, 0), "nothing is paid for a review of a part");
    let review = store::review::of_head(&world.pool, run, &world.head(run).await).await.unwrap().unwrap();
    assert!(review.failed.is_some());
    assert_eq!(world.conclusions("Code Review Agent"), [Some("failure".to_owned())]);
}
