//! Invalid answers of the model, and an invalid policy.

use aspora::llm::Task;
use insta::assert_snapshot;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, World},
};

/// A world whose model gives this answer, and that one when it is asked to repair it.
async fn world(answer: &str, repaired: &str) -> World {
    World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(answer).with(Task::Repair, &[], &[], repaired));
    })
    .await
}

/// Asserts that the run ends and that no answer reached the forge.
async fn assert_nothing_written(world: &World, run: uuid::Uuid) {
    assert_eq!(world.run_to_end(run).await, "needs_human");
    assert_eq!(
        (world.model_calls(Task::Generate), world.model_calls(Task::Repair)),
        (1, 2),
        "three answers in all"
    );
    assert!(world.twin.pulls(REPO).is_empty());
    assert_eq!(world.twin.branch(REPO, &format!("aspora/wealth/{run}")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_stops_after_three_invalid_answers() {
    let world = world("Sure! ```python\nROUND = 1\n```", "=== file: lib/round.py\nROUND").await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_nothing_written(&world, run).await;
    assert_snapshot!(world.history(run).await, @r#"
    started
    generate gave up: none of 3 answers of the model could be used: line 1: the block of `lib/round.py` is not closed: `=== end: lib/round.py` is missing
    needs_human (blocked): `generate` failed: none of 3 answers of the model could be used: line 1: the block of `lib/round.py` is not closed: `=== end: lib/round.py` is missing
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_outside_the_repository_is_never_written() {
    let outside = file("../../outside.py", "ROUND = 1");
    let world = world(&outside, &outside).await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_nothing_written(&world, run).await;
    assert_snapshot!(world.history(run).await, @r#"
    started
    generate gave up: none of 3 answers of the model could be used: line 3: path "../../outside.py" is rejected: a segment is `.` or `..`
    needs_human (blocked): `generate` failed: none of 3 answers of the model could be used: line 3: path "../../outside.py" is rejected: a segment is `.` or `..`
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_never_writes_ci_workflows() {
    let workflow = file(".github/workflows/ci.yml", "on: push");
    let world = world(&workflow, &workflow).await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_nothing_written(&world, run).await;
    assert_snapshot!(world.history(run).await, @r#"
    started
    generate gave up: none of 3 answers of the model could be used: line 3: `.github/workflows/ci.yml` may not be touched: `.git*` is GitHub's and git's own configuration
    needs_human (blocked): `generate` failed: none of 3 answers of the model could be used: line 3: `.github/workflows/ci.yml` may not be touched: `.git*` is GitHub's and git's own configuration
    "#);
}

/// An edit of lib/money.py that replaces this line.
fn edit(search: &str) -> String {
    format!(
        "=== title: feat: Round to four decimals\n=== edit: lib/money.py\n<<<<<<< SEARCH\n{search}\n=======\n    \
         return round(fraction, 4) + 0.0\n>>>>>>> REPLACE\n=== end: lib/money.py\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_does_not_apply_is_repaired_with_the_nearest_lines() {
    let nearest = ["the SEARCH of pair 1 is not in the file", "6 |     return round(fraction, 3) + 0.0"];
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        let script = generates(&edit("    return fraction.round(3)"));
        let right = edit("    return round(fraction, 3) + 0.0");
        setup.script = with_clean_reviews(script.with(Task::Repair, &nearest, &[], &right));
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.model_calls(Task::Generate), world.model_calls(Task::Repair)), (1, 1));
    let money = world.twin.main_file(REPO, "lib/money.py").await.unwrap().unwrap();
    assert!(String::from_utf8(money).unwrap().contains("return round(fraction, 4) + 0.0"));
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_declines_ends_the_run_with_its_reason() {
    let world = world("=== decline: the product has no rounds\n", "").await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "rejected");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → declined: the product has no rounds
    rejected (failed): the product has no rounds
    ");
    assert!(world.twin.pulls(REPO).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_review_is_never_clean() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = generates(&file("lib/round.py", "ROUND = 1"))
            .with(Task::Review, &[], &[], "Looks good to me!")
            .with(Task::Repair, &[], &[], "LGTM");
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("none of 3 answers"), "{reason}");
    assert_eq!((world.merges(), world.conclusions("Code Review Agent").len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_policy_is_located_and_waited_for() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
        let policy = setup.files.iter_mut().find(|(path, _)| path.ends_with("risk-policy.json")).unwrap();
        let text = String::from_utf8(policy.1.clone()).unwrap();
        policy.1 =
            text.replacen("\"requiredApprovals\": 2", "\"requiredApprovals\": \"two\"", 1).into_bytes();
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    let invalid = "the policy is invalid at /products/wealth/mergePolicy/critical/requiredApprovals: must be a \
                   whole number from 0 to 100 (.aspora/risk-policy.json at the base)";
    world.until_waiting_only_for(run, &format!("people to repair the base's policy: {invalid}")).await;
    assert_eq!((world.model_calls(Task::Review), world.merges()), (0, 0));
    assert_eq!(world.conclusions("risk-policy-gate"), [None], "the gate goes on once the policy is repaired");
}
