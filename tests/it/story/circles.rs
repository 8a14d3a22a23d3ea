//! Runs that repeat themselves, and model calls without a result.

use aspora::{core::run::PauseCause, dev::model::Script, llm::Task};
use insta::assert_snapshot;
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, finds, generates, with_clean_reviews},
    world::World,
};

const PATH: &str = "lib/round.py";

fn rounds(text: &str) -> String {
    file(PATH, text)
}

/// The history, with placeholders for fingerprints and tree ids.
async fn history(world: &World, run: Uuid) -> String {
    let hex = |word: &str| {
        let bare = word.trim_end_matches([',', ';', ')']);
        matches!(bare.len(), 7 | 16) && bare.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let line = |line: &str| {
        line.split(' ').map(|word| if hex(word) { "<hex>" } else { word }).collect::<Vec<_>>().join(" ")
    };
    world.history(run).await.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_that_recur_after_two_rounds_need_a_person() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        // The code differs each time, but the findings recur.
        setup.script = generates(&rounds("ROUND = 0"))
            .with(Task::Review, &["+ROUND = 0"], &[], &finds("high", "lib/else.py", "too early"))
            .with(Task::Review, &["+ROUND = 1"], &[], &finds("high", "lib/else.py", "too late"))
            .with(Task::Review, &["+ROUND = 2"], &[], &finds("high", "lib/else.py", "too early"))
            .with(Task::Remediate, &["too early"], &[], &rounds("ROUND = 1"))
            .with(Task::Remediate, &["too late"], &[], &rounds("ROUND = 2"));
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    assert_snapshot!(history(&world, run).await, @r"
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
    remediate → unfixable: going in circles: round 3 (ghi) has the findings of round 1 (abc) again: <hex>
    needs_human (blocked): going in circles: round 3 (ghi) has the findings of round 1 (abc) again: <hex>
    ");
    assert_eq!((world.model_calls(Task::Remediate), world.merges()), (2, 0), "no third fix is paid for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_that_restores_an_earlier_tree_is_not_pushed() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = generates(&rounds("ROUND = 0"))
            .with(Task::Review, &["+ROUND = 0"], &[], &finds("high", PATH, "too early"))
            .with(Task::Review, &["+ROUND = 1"], &[], &finds("high", PATH, "too late"))
            .with(Task::Remediate, &["too early"], &[], &rounds("ROUND = 1"))
            .with(Task::Remediate, &["too late"], &[], &rounds("ROUND = 0"));
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    assert_snapshot!(history(&world, run).await, @r"
    started
    generate → opened: opened #1 on abc: 1 file, tests pass
    gate → passed: low change at abc is ready for review
    review → findings: 1 actionable (1 blocking) on abc
    remediate → pushed: pushed def over abc: 1 finding, 0 blockers, tests pass
    recheck → passed: low change at def is ready for review
    rerun → findings: 1 actionable (1 blocking) on def
    remediate → unfixable: going in circles: the fix of head 2 (def) would bring back the tree <hex> of head 1 (abc); it was meant to fix <hex>
    needs_human (blocked): going in circles: the fix of head 2 (def) would bring back the tree <hex> of head 1 (abc); it was meant to fix <hex>
    ");
    assert_eq!((world.model_calls(Task::Remediate), world.merges()), (2, 0));
    let branch = world.twin.branch("acme/wealth-product", &format!("aspora/wealth/{run}")).await.unwrap();
    assert_eq!(branch, Some(world.head(run).await), "the branch is at the second head");
}

/// A model whose first two answers are invalid.
fn two_invalid_answers() -> Script {
    with_clean_reviews(
        generates("Sure!").with(Task::Repair, &["I think so"], &[], &rounds("ROUND = 1")).with(
            Task::Repair,
            &[],
            &[],
            "I think so",
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn model_calls_without_a_new_head_pause_the_run_and_a_resume_allows_as_many_more() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = two_invalid_answers();
        setup.calls_without_head = 2;
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    let (cause, reason) = world.until_paused(run).await;
    assert_eq!(cause, PauseCause::Breaker);
    assert_eq!(
        reason,
        "2 model calls were answered since the last push, and the limit without a new head is 2; a resume \
         grants 2 more"
    );
    assert_eq!((world.model_calls(Task::Generate), world.model_calls(Task::Repair)), (1, 1));
    // Neither a restart nor a budget change resets the count.
    world.stop_worker().await;
    world.start_worker(|_| {});
    let budget = serde_json::json!({"reason": "r"});
    world.call("PUT", &format!("runs/{run}/budget"), Some(budget)).await;
    assert_eq!(world.until_paused(run).await, (PauseCause::Breaker, reason));

    world.engine.resume(run, "pm@acme", &"once more".parse().unwrap()).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done", "{}", world.history(run).await);
    assert_eq!(
        (world.model_calls(Task::Generate), world.model_calls(Task::Repair)),
        (1, 2),
        "no answer is paid for twice"
    );
    world.assert_nothing_twice();
}
