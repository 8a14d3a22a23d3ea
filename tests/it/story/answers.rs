//! Answers of a model that cannot be used, and a policy that cannot be read.

use aspora::llm::Task;
use insta::assert_snapshot;

use super::{
    script::{WISH, and_content, file, generates},
    world::{REPO, World, content},
};

/// A world whose model writes this, and mends it to that.
async fn world(answer: &str, mended: &str) -> World {
    World::with(|setup| {
        setup.ci = Some(content());
        setup.script = and_content(generates(answer).with(Task::Repair, &[], &[], mended));
    })
    .await
}

/// Nothing of the answers has reached the forge.
async fn nothing_was_written(world: &World, run: uuid::Uuid) {
    assert_eq!(world.settle(run).await, "needs_human");
    assert_eq!((world.asked(Task::Generate), world.asked(Task::Repair)), (1, 2), "three answers in all");
    assert!(world.twin.pulls(REPO).is_empty());
    assert_eq!(world.twin.branch(REPO, &format!("aspora/wealth/{run}")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_answers_of_garbage_end_with_a_person() {
    let world = world("Sure! ```python\nROUND = 1\n```", "=== file: lib/round.py\nROUND").await;
    let run = world.submit(WISH).await;
    nothing_was_written(&world, run).await;
    assert_snapshot!(world.history(run).await, @r#"
    started
    generate is given up: none of 3 answers of the model could be used: line 1: the block of `lib/round.py` is not closed: `=== end: lib/round.py` is missing
    needs_human (blocked): `generate` failed: none of 3 answers of the model could be used: line 1: the block of `lib/round.py` is not closed: `=== end: lib/round.py` is missing
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_outside_of_the_repository_is_never_written() {
    let outside = file("../../outside.py", "ROUND = 1");
    let world = world(&outside, &outside).await;
    let run = world.submit(WISH).await;
    nothing_was_written(&world, run).await;
    assert_snapshot!(world.history(run).await, @r#"
    started
    generate is given up: none of 3 answers of the model could be used: line 3: path "../../outside.py" is rejected: a segment is `.` or `..`
    needs_human (blocked): `generate` failed: none of 3 answers of the model could be used: line 3: path "../../outside.py" is rejected: a segment is `.` or `..`
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_steers_the_forge_is_never_written_by_a_model() {
    let workflow = file(".github/workflows/ci.yml", "on: push");
    let world = world(&workflow, &workflow).await;
    let run = world.submit(WISH).await;
    nothing_was_written(&world, run).await;
    assert_snapshot!(world.history(run).await, @r#"
    started
    generate is given up: none of 3 answers of the model could be used: line 3: `.github/workflows/ci.yml` may not be touched: `.git*` is GitHub's and git's own configuration
    needs_human (blocked): `generate` failed: none of 3 answers of the model could be used: line 3: `.github/workflows/ci.yml` may not be touched: `.git*` is GitHub's and git's own configuration
    "#);
}

/// An edit of lib/money.py that searches for this line.
fn edit(search: &str) -> String {
    format!(
        "=== title: feat: Round to four decimals\n=== edit: lib/money.py\n<<<<<<< SEARCH\n{search}\n=======\n    \
         return round(fraction, 4) + 0.0\n>>>>>>> REPLACE\n=== end: lib/money.py\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_does_not_fit_is_mended_from_the_nearest_lines() {
    let nearest = ["the SEARCH of pair 1 is not in the file", "6 |     return round(fraction, 3) + 0.0"];
    let world = World::with(|setup| {
        setup.ci = Some(content());
        let script = generates(&edit("    return fraction.round(3)"));
        let right = edit("    return round(fraction, 3) + 0.0");
        setup.script = and_content(script.with(Task::Repair, &nearest, &[], &right));
    })
    .await;
    let run = world.submit(WISH).await;
    assert_eq!(world.settle(run).await, "done");
    assert_eq!((world.asked(Task::Generate), world.asked(Task::Repair)), (1, 1));
    let money = world.twin.main_file(REPO, "lib/money.py").await.unwrap().unwrap();
    assert!(String::from_utf8(money).unwrap().contains("return round(fraction, 4) + 0.0"));
    world.nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_declines_ends_the_run_with_its_reason() {
    let world = world("=== decline: the product has no rounds\n", "").await;
    let run = world.submit(WISH).await;
    assert_eq!(world.settle(run).await, "rejected");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → declined: the product has no rounds
    rejected (failed): the product has no rounds
    ");
    assert!(world.twin.pulls(REPO).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_that_cannot_be_read_is_never_a_clean_one() {
    let world = World::with(|setup| {
        setup.ci = Some(content());
        setup.script = generates(&file("lib/round.py", "ROUND = 1"))
            .with(Task::Review, &[], &[], "Looks good to me!")
            .with(Task::Repair, &[], &[], "LGTM");
    })
    .await;
    let run = world.submit(WISH).await;
    assert_eq!(world.settle(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("none of 3 answers"), "{reason}");
    assert_eq!((world.merges(), world.concluded("Code Review Agent").len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_does_not_parse_blocks_and_says_where() {
    let world = World::with(|setup| {
        setup.ci = Some(content());
        setup.script = and_content(generates(&file("lib/round.py", "ROUND = 1")));
        let policy = setup.files.iter_mut().find(|(path, _)| path.ends_with("risk-policy.json")).unwrap();
        let text = String::from_utf8(policy.1.clone()).unwrap();
        policy.1 =
            text.replacen("\"requiredApprovals\": 2", "\"requiredApprovals\": \"two\"", 1).into_bytes();
    })
    .await;
    let run = world.submit(WISH).await;
    assert_eq!(world.settle(run).await, "needs_human");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → opened: opened #1 on abc: 1 file, tests pass
    gate → stopped: stopped at abc: the policy is broken at /products/wealth/mergePolicy/critical/requiredApprovals: must be a whole number from 0 to 100 (.aspora/risk-policy.json at the base)
    needs_human (blocked): stopped at abc: the policy is broken at /products/wealth/mergePolicy/critical/requiredApprovals: must be a whole number from 0 to 100 (.aspora/risk-policy.json at the base)
    ");
    assert_eq!((world.asked(Task::Review), world.merges()), (0, 0));
    assert_eq!(world.concluded("risk-policy-gate"), [Some("action_required".to_owned())]);
}
