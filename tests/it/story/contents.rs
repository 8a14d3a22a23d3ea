//! What is read of a change beyond its paths: dependencies, harness cases, and paths that clash with others.

use aspora::{
    core::policy::GATE_CHECK,
    dev::{Acting, github::APP, model::Script},
    llm::Task,
};

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, World},
};

async fn world(script: Script) -> World {
    World::with(|setup| {
        setup.acting = Acting::App;
        setup.files.push(("requirements.txt", b"requests==2.31\n".to_vec()));
        setup.script = with_clean_reviews(script);
        setup.ci = Some(passing_ci());
    })
    .await
}

/// The newest summary of the gate's check run.
fn report(world: &World) -> String {
    let mut runs = world.twin.check_runs(REPO).into_iter();
    let gate = runs.rfind(|run| run.app == APP && run.name == GATE_CHECK).unwrap();
    gate.summary.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn m10_a_new_dependency_is_named_in_the_report_and_waits_for_a_person() {
    let world = world(generates(&file("requirements.txt", "requests==2.32\nreqeusts==1.0"))).await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "1 of 1 approval by people").await;
    let report = report(&world);
    assert!(report.contains("| requirements.txt | reqeusts | – | ==1.0 |"), "{report}");
    assert!(report.contains("| requirements.txt | requests | ==2.31 | ==2.32 |"), "{report}");
    assert!(report.contains("### Patterns of the policy without a file"), "{report}");
    assert_eq!(world.merges(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn m2_a_weakened_harness_case_waits_for_two_people() {
    let path = "tests/harness/test_unknown_customer.py";
    let case = include_str!("../../../src/dev/product/wealth/tests/harness/test_unknown_customer.py");
    let weaker = case.replace("self.assertEqual(status, 404, path)", "self.assertIn(status, [404, 500])");
    let world = world(generates(&file(path, weaker.trim_end()))).await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "2 of 2 approvals by people").await;
    assert!(report(&world).contains("may weaken a harness case"), "{}", report(&world));
    assert_eq!(world.merges(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn m5_a_path_that_clashes_with_one_of_the_tree_goes_back_to_the_model() {
    let script = generates(&file("docs/api.md", "# Goals")).with(
        Task::Repair,
        &["\"docs/API.md\" where letter case or Unicode form does not count"],
        &[],
        &file("docs/goals.md", "# Goals"),
    );
    let world = world(script).await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.model_calls(Task::Repair), 1);
}
