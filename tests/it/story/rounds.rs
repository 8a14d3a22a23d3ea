//! Rounds of review and remediation, and what ends them.

use aspora::{dev::model::Script, llm::Task};
use insta::assert_snapshot;

use super::{
    forge::passing_ci,
    own_tests::FAILING,
    script::{COUNT_ROUNDS, file, finds, generates, with_clean_reviews},
    world::World,
};

/// A reviewer with a new finding on every head, and a model that fixes each.
pub(crate) fn new_finding_on_every_head(severity: &str) -> Script {
    const COMPLAINTS: [&str; 5] = ["too early", "too late", "too loud", "too quiet", "too plain"];
    let path = "lib/round.py";
    let mut script = generates(&file(path, "ROUND = 0"));
    for (round, complaint) in COMPLAINTS.iter().enumerate() {
        let (now, next) = (format!("ROUND = {round}"), format!("ROUND = {}", round + 1));
        script = script
            .with(Task::Review, &[&format!("+{now}")], &[], &finds(severity, path, complaint))
            .with(Task::Remediate, &[complaint], &[], &file(path, &next));
    }
    script
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reviewer_with_ever_new_findings_is_stopped_after_three_rounds() {
    let world = World::with(|setup| {
        setup.script = new_finding_on_every_head("high");
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → opened: opened #1 on abc: 1 file, tests pass
    gate → passed: low change at abc is ready for review
    review → findings: 1 actionable (1 blocking) on abc
    remediate → pushed: pushed def over abc: 1 finding, 0 blockers, tests pass
    recheck → passed: low change at def is ready for review
    rerun → findings: 1 actionable (1 blocking) on def
    remediate → pushed: pushed ghi over def: 1 finding, 0 blockers, tests pass
    recheck → passed: low change at ghi is ready for review
    rerun → findings: 1 actionable (1 blocking) on ghi
    remediate → pushed: pushed jkl over ghi: 1 finding, 0 blockers, tests pass
    recheck → passed: low change at jkl is ready for review
    rerun → findings: 1 actionable (1 blocking) on jkl
    needs_human (blocked): all 3 rounds of `remediate` are spent; last: 1 actionable (1 blocking) on jkl
    ");
    assert_eq!(
        (world.model_calls(Task::Review), world.model_calls(Task::Remediate), world.merges()),
        (4, 3, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_medium_finding_left_after_the_last_round_does_not_block() {
    let world = World::with(|setup| {
        setup.script = new_finding_on_every_head("medium");
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let history = world.history(run).await;
    assert!(history.contains("rerun → findings: 1 actionable (0 blocking) on ghi\n"), "{history}");
    assert!(history.contains("rerun → clean: 1 actionable (0 blocking) on jkl\n"), "{history}");
    assert_eq!(world.model_calls(Task::Remediate), 3);
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_that_recurs_stops_the_rounds() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = generates(&file("lib/round.py", "ROUND = 0"))
            .with(Task::Review, &[], &[], &finds("high", "lib/round.py", "the round has no end"))
            .with(Task::Remediate, &[], &[], &file("lib/end.py", "END = None"));
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → opened: opened #1 on abc: 1 file, tests pass
    gate → passed: low change at abc is ready for review
    review → findings: 1 actionable (1 blocking) on abc
    remediate → pushed: pushed def over abc: 1 finding, 0 blockers, tests pass
    recheck → passed: low change at def is ready for review
    rerun → findings: 1 actionable (1 blocking) on def
    remediate → unfixable: no progress: def has the same findings as abc
    needs_human (blocked): no progress: def has the same findings as abc
    ");
    assert_eq!((world.model_calls(Task::Remediate), world.merges()), (1, 0), "no second round is paid for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_fails_is_remediated() {
    let world = World::with(|setup| {
        let fixed = file("lib/round.py", "ROUND = 1");
        let failing = ["check CI Pipeline: failure", "AssertionError: 0 != 1"];
        setup.script = with_clean_reviews(generates(FAILING).with(Task::Remediate, &failing, &[], &fixed));
    })
    .await;
    world.tests_by("forge").await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → opened: opened #1 on abc: 2 files, tests not run (left to the forge's checks)
    gate → passed: low change at abc is ready for review
    review → clean: 0 actionable (0 blocking) on abc
    verdict → blocked: blocked on abc: check CI Pipeline: failure
    remediate → pushed: pushed def over abc: 0 findings, 1 blocker, tests not run (left to the forge's checks)
    recheck → passed: low change at def is ready for review
    rerun → clean: 0 actionable (0 blocking) on def
    verdict → cleared: low change at def is cleared to merge
    merge → merged: merged as the merge
    done (succeeded): merged as the merge
    ");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_check_that_the_model_cannot_fix_needs_a_person() {
    let world = World::with(|setup| {
        let declined = "=== decline: a round that begins with one contradicts the specification\n";
        setup.script = with_clean_reviews(generates(FAILING).with(Task::Remediate, &[], &[], declined));
    })
    .await;
    world.tests_by("forge").await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    assert_eq!(world.reason(run).await, "a round that begins with one contradicts the specification");
    assert_eq!(world.merges(), 0);
    assert_eq!(world.conclusions("risk-policy-gate"), [Some("failure".to_owned())]);
}
