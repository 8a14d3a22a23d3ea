//! A base branch that moves while a change is under way.

use aspora::llm::Task;
use insta::assert_snapshot;

use super::{
    forge::passing_ci,
    reports::is_cleared,
    script::RISK_CHECKER,
    world::{REPO, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_moves_while_checks_run_is_merged_into_the_branch() {
    let world = World::with(|setup| setup.ci = None).await;
    let run = world.submit(RISK_CHECKER).await;
    world.until_waiting_for(run, "CI Pipeline (not reported)").await;
    let reviewed = world.head(run).await;
    world.push_as("asha", "main", "CHANGES.md", "A new morning.\n").await;
    let head = world.until_head_changes(run, &reviewed).await;
    world.pass_checks(&head).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → opened: opened #1 on abc: 5 files, tests pass
    gate → passed: high change at abc is ready for review
    review → findings: 2 actionable (1 blocking) on abc
    remediate → pushed: pushed def over abc: 2 findings, 0 blockers, tests pass
    recheck → passed: high change at def is ready for review
    rerun → clean: 0 actionable (0 blocking) on def
    verdict → behind: def is behind its base; a high change must be updated first
    update → pushed: merged asha into the branch: the head is ghi
    recheck → passed: high change at ghi is ready for review
    rerun → clean: 0 actionable (0 blocking) on ghi
    verdict → cleared: high change at ghi is cleared to merge
    merge → merged: merged as the merge
    done (succeeded): merged as the merge
    ");
    assert_eq!(world.model_calls(Task::Review), 3, "the new head is reviewed too");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_moves_after_the_verdict_is_noticed_before_the_merge() {
    let world = World::with(|setup| setup.ci = Some(passing_ci())).await;
    world.once_when(is_cleared, |twin| async move {
        let file: (&str, &[u8]) = ("CHANGES.md", b"A new morning.\n");
        twin.push_as("asha", REPO, "main", &[file]).await.unwrap();
    });
    let run = world.submit(RISK_CHECKER).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → opened: opened #1 on abc: 5 files, tests pass
    gate → passed: high change at abc is ready for review
    review → findings: 2 actionable (1 blocking) on abc
    remediate → pushed: pushed def over abc: 2 findings, 0 blockers, tests pass
    recheck → passed: high change at def is ready for review
    rerun → clean: 0 actionable (0 blocking) on def
    verdict → cleared: high change at def is cleared to merge
    merge → behind: the base moved to newer base after the verdict
    update → pushed: merged newer base into the branch: the head is ghi
    recheck → passed: high change at ghi is ready for review
    rerun → clean: 0 actionable (0 blocking) on ghi
    verdict → cleared: high change at ghi is cleared to merge
    merge → merged: merged as the merge
    done (succeeded): merged as the merge
    ");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_conflicts_needs_a_person() {
    let world = World::with(|setup| setup.ci = None).await;
    let run = world.submit(RISK_CHECKER).await;
    world.until_waiting_for(run, "CI Pipeline (not reported)").await;
    let head = world.head(run).await;
    world.push_as("asha", "main", "services/risk_checker.py", "# I was quicker.\n").await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let history = world.history(run).await;
    let conflict = "asha cannot be merged into the branch: services/risk_checker.py";
    assert!(history.ends_with(&format!("needs_human (blocked): {conflict}\n")), "{history}");
    assert_eq!((world.head(run).await, world.merges()), (head, 0));
}
