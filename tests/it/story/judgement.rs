//! What is judged: renames, what the merge carries along, the policy on all sides, and who may refuse.

use std::{path::Path, process::Command};

use aspora::{
    core::policy::POLICY_PATH,
    dev::{github::ReviewEvent, model::Script},
    llm::Task,
};
use insta::assert_snapshot;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, Setup, World},
};

const GUIDE: &str = "One.\nTwo.\nThree.\nFour.\nFive.\nSix.\nSeven.\nEight.\nNine.\n";
const SEED: &str = include_str!("../../../src/dev/product/wealth/.aspora/risk-policy.json");

fn with_guide(setup: &mut Setup, script: Script) {
    setup.files.push(("notes/guide.md", GUIDE.as_bytes().to_vec()));
    setup.script = with_clean_reviews(script);
}

/// Moves a file on the base branch, as a person with a clone does.
fn move_on_main(world: &World, from: &str, to: &str) {
    let bare = world.folder.path().join("forge/repositories").join(format!("{REPO}.git"));
    let clone = tempfile::tempdir().unwrap();
    let git = |at: &Path, arguments: &[&str]| {
        let done = Command::new("git").arg("-C").arg(at).args(arguments).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    };
    let (bare, there) = (bare.to_str().unwrap(), clone.path());
    git(there, &["clone", "-q", "--branch", "main", bare, "."]);
    std::fs::create_dir_all(there.join(to).parent().unwrap()).unwrap();
    git(there, &["mv", from, to]);
    git(there, &["-c", "user.name=asha", "-c", "user.email=asha@example.org", "commit", "-q", "-m", "move"]);
    git(Path::new(bare), &["fetch", "-q", there.to_str().unwrap(), "main:main"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_is_judged_at_its_right_tier_and_merges() {
    let world = World::with(|setup| {
        let moved = format!(
            "=== title: docs: Move the guide\n=== delete: notes/guide.md\n\
             === file: notes/manual.md\n{GUIDE}=== end: notes/manual.md\n"
        );
        with_guide(setup, generates(&moved));
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → opened: opened #1 on abc: 2 files, tests pass
    gate → passed: low change at abc is ready for review
    review → clean: 0 actionable (0 blocking) on abc
    verdict → cleared: low change at abc is cleared to merge
    merge → merged: merged as the merge
    done (succeeded): merged as the merge
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn j5_an_edit_that_the_merge_carries_into_a_critical_folder_needs_people() {
    let world = World::with(|setup| {
        with_guide(setup, generates(&file("notes/guide.md", GUIDE.replace("Nine", "Ten").trim_end())));
        setup.ci = None;
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline (not reported)").await;
    let low = world.head(run).await;
    move_on_main(&world, "notes/guide.md", "db/migrations/guide.md");
    let head = world.until_head_changes(run, &low).await;
    world.pass_checks(&head).await;
    world.until_waiting_for(run, "2 of 2 approvals by people on ").await;
    let history = world.history(run).await;
    let behind = "verdict → behind: abc is behind its base; a critical change must be updated first";
    assert!(history.contains(behind), "{history}");
    assert_eq!(world.merges(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_breaks_at_the_base_is_waited_for_until_people_repair_it() {
    let world = World::with(|setup| {
        with_guide(setup, generates(&file("lib/round.py", "ROUND = 1")));
        setup.ci = None;
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline (not reported)").await;
    let head = world.head(run).await;
    world.push_as("asha", "main", POLICY_PATH, "\u{feff}{}").await;
    let reason = world.until_waiting_for(run, "people to repair the base's policy").await;
    assert!(reason.contains("byte order mark"), "{reason}");
    world.push_as("asha", "main", POLICY_PATH, &SEED.replace("channels/**", "channel/**")).await;
    let head = world.until_head_changes(run, &head).await;
    world.pass_checks(&head).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let history = world.history(run).await;
    let behind =
        "verdict → behind: abc is behind its base: the base's policy has moved; the branch must be updated";
    assert!(history.contains(behind), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_broken_from_the_start_costs_no_review() {
    let world = World::with(|setup| {
        with_guide(setup, generates(&file("lib/round.py", "ROUND = 1")));
        setup.files.retain(|(path, _)| *path != POLICY_PATH);
        setup.files.push((POLICY_PATH, b"{\"products\": {\"wealth\": []}}".to_vec()));
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "people to repair the base's policy").await;
    assert_eq!(world.model_calls(Task::Review), 0);
    world.push_as("asha", "main", POLICY_PATH, SEED).await;
    assert_eq!(world.run_to_end(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn j13_an_outsider_who_asks_for_changes_blocks_nothing() {
    let world = World::with(|setup| {
        with_guide(setup, generates(&file("lib/round.py", "ROUND = 1")));
        setup.ci = None;
    })
    .await;
    world.twin.set_permission(REPO, "out", "read").unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.twin.review_as("out", REPO, 1, ReviewEvent::RequestChanges, "no").await.unwrap();
    let head = world.head(run).await;
    world.pass_checks(&head).await;
    assert_eq!(world.run_to_end(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn m8_a_document_that_readers_see_unchanged_leaves_docs_drift() {
    let api = include_str!("../../../src/dev/product/wealth/docs/API.md");
    for hidden in ["<!-- goals -->", "\u{200b}"] {
        let world = World::with(|setup| {
            let answer = format!(
                "=== title: feat: Goals\n=== file: api/v1/extra.py\nEXTRA = 1\n=== end: api/v1/extra.py\n\
                 === file: docs/API.md\n{api}{hidden}\n=== end: docs/API.md\n"
            );
            let declined = "=== decline: nothing to describe\n";
            with_guide(setup, generates(&answer).with(Task::Remediate, &[], &[], declined));
            setup.ci = Some(passing_ci());
        })
        .await;
        let run = world.submit(COUNT_ROUNDS).await;
        assert_eq!(world.run_to_end(run).await, "needs_human", "{hidden:?}");
        let history = world.history(run).await;
        let drift =
            "\"api/v1/extra.py\" changed and no document did; update docs/API.md or docs/ARCHITECTURE.md";
        assert!(history.contains(drift), "{history}");
        assert_eq!(world.model_calls(Task::Review), 0);
    }
}
