//! What the forge declines: a push stops the run at once, and a review is posted in another form.

use aspora::{
    dev::github::{Enforcement, Rules},
    llm::Task,
};

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, finds, generates, with_clean_reviews},
    world::{REPO, World},
};

/// A world whose model writes this text.
async fn world(text: &str) -> World {
    World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(&file("lib/rounds.py", text)));
    })
    .await
}

/// Asserts that the run stops for a person who reads this, after one paid answer and one push.
async fn assert_stops_once(world: &World, says: &str) {
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains(says), "{reason}");
    assert_eq!(world.model_calls(Task::Generate), 1);
    let pushes = world.twin.ledger().into_iter().filter(|entry| entry.path.ends_with("git-receive-pack"));
    assert_eq!(pushes.filter(|entry| entry.method == "POST").count(), 1);
    assert!(world.twin.pulls(REPO).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_in_the_way_stops_the_run_once_and_is_named() {
    let world = world("ROUNDS = 3").await;
    world.push_as("ada", "aspora", "notes.txt", "mine").await;
    assert_stops_once(&world, "the branch `aspora` is in the way of this run's branch").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ruleset_that_covers_the_runs_branches_stops_the_run_once() {
    let world = world("ROUNDS = 3").await;
    let rules = Rules { pull_request: true, ..Rules::default() };
    world.twin.add_ruleset(REPO, "aspora/**", Enforcement::Active, rules).unwrap();
    assert_stops_once(&world, "Changes must be made through a pull request.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_the_forge_finds_goes_back_to_the_model() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        let leaky = file("lib/rounds.py", &format!("ROUNDS = 3\nKEY = 'ghp_{}'", "a1B2".repeat(9)));
        let complaint = ["GitHub Personal Access Token in lib/rounds.py:2"];
        let script =
            generates(&leaky).with(Task::Repair, &complaint, &[], &file("lib/rounds.py", "ROUNDS = 3"));
        setup.script = with_clean_reviews(script);
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.model_calls(Task::Generate), world.model_calls(Task::Repair)), (1, 1));
    let merged = world.twin.main_file(REPO, "lib/rounds.py").await.unwrap();
    assert_eq!(merged.as_deref(), Some(&b"ROUNDS = 3\n"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_at_a_line_that_github_does_not_take_is_in_the_body() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        let script = generates(&file("lib/rounds.py", "ROUNDS = 3"));
        let finding = finds("low", "lib/rounds.py", "Name the unit.");
        setup.script = script.with(Task::Review, &[], &[], &finding);
    })
    .await;
    world.twin.hide_diff(REPO, "lib/rounds.py").unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let reviews = world.twin.reviews(REPO);
    assert_eq!((reviews.len(), world.twin.review_comments(REPO).len()), (1, 0));
    assert!(reviews[0].body.contains("⚪ LOW: lib/rounds.py line 1: Name the unit."), "{}", reviews[0].body);
}
