//! A base branch that accepts signed commits only: the forge makes and signs the run's commits.

use aspora::{
    dev::{
        Acting,
        github::{Enforcement, Fault, FaultRule, Phase, Rules, TokenKind},
    },
    llm::Task,
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, RISK_CHECKER, file, generates, with_clean_reviews},
    world::{REPO, Setup, World},
};

const REFS: &str = "/repos/*/*/git/refs";
const GRAPHQL: &str = "/graphql";

fn simple(setup: &mut Setup) {
    setup.ci = Some(passing_ci());
    setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
}

/// A world whose base accepts signed commits only.
async fn world(change: impl FnOnce(&mut Setup)) -> World {
    let world = World::with(change).await;
    let signed = Rules { signatures: true, ..Rules::default() };
    world.twin.add_ruleset(REPO, "main", Enforcement::Active, signed).unwrap();
    world
}

/// How many commits were pushed by git.
fn pushes(world: &World) -> usize {
    world.applied("POST", "/*/*/git-receive-pack")
}

/// The forge's description of a commit.
async fn commit(world: &World, sha: &str) -> Value {
    let url = format!("{}/repos/{REPO}/commits/{sha}", world.twin.url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    world.twin.set_permission(REPO, "asha", "write").unwrap();
    let kind = TokenKind::Classic { login: "asha".to_owned(), scopes: vec!["repo".to_owned()] };
    let token = world.twin.issue_token(kind).unwrap();
    client.get(url).bearer_auth(token).send().await.unwrap().json().await.unwrap()
}

/// Asserts that the branch of the merged run is a chain of so many signed commits of ours on top of its base.
async fn assert_signed(world: &World, run: Uuid, commits: usize) {
    let (mut sha, mut signed) = (world.head(run).await, 0);
    loop {
        let found = commit(world, &sha).await;
        if found["commit"]["verification"]["verified"] != true {
            break;
        }
        assert_eq!(found["commit"]["committer"]["name"], "GitHub", "{found}");
        signed += 1;
        sha = found["parents"][0]["sha"].as_str().unwrap().to_owned();
    }
    assert_eq!(signed, commits, "then {sha}");
    assert_eq!(pushes(world), 0);
}

/// Fails the next commit that the forge makes for us.
fn fail_commit(world: &World, fault: Fault) {
    world.once_when(
        |_: &_, _: &str, path: &str, phase| phase == Phase::AfterApply && path.ends_with("/git/refs"),
        move |twin| async move {
            let (method, path) = ("POST".to_owned(), GRAPHQL.to_owned());
            twin.inject(FaultRule { method, path, nth: 1, fault }).unwrap();
        },
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_a_fix_is_merged_by_signed_commits_alone() {
    let world = world(|setup| setup.ci = Some(passing_ci())).await;
    let run = world.submit(RISK_CHECKER).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_signed(&world, run, 2).await;
    assert!(world.twin.main_file(REPO, "services/risk_checker.py").await.unwrap().is_some());
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_token_makes_signed_commits_too() {
    let world = world(|setup| {
        simple(setup);
        setup.acting = Acting::Classic;
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_signed(&world, run, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found_and_not_made_again() {
    for fault in [Fault::ApplyThenError(502), Fault::ApplyThenCut] {
        let world = world(simple).await;
        fail_commit(&world, fault);
        let run = world.submit(COUNT_ROUNDS).await;
        assert_eq!(world.run_to_end(run).await, "done", "{fault:?}");
        assert!(world.history(run).await.contains("is held, forge "), "{fault:?} was not injected");
        assert_signed(&world, run, 1).await;
        assert_eq!(world.model_calls(Task::Generate), 1);
        world.assert_nothing_twice();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_was_created_without_its_commit_is_used() {
    let world = world(simple).await;
    fail_commit(&world, Fault::ErrorBefore(502));
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.applied("POST", REFS), 1);
    assert_signed(&world, run, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_someone_else_moves_first_is_left_to_them() {
    let world = world(simple).await;
    let pool = world.pool.clone();
    world.once_when(
        |_: &_, _: &str, path: &str, phase| phase == Phase::AfterApply && path.ends_with("/git/refs"),
        |twin| async move {
            let branch = sqlx::query_scalar::<_, String>("select branch from run");
            let branch = branch.fetch_one(&pool).await.unwrap();
            twin.push_as("eve", REPO, &branch, &[("lib/round.py", b"ROUND = 1\n")]).await.unwrap();
        },
    );
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("which is not this run's work"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_an_executable_file_goes_back_to_the_model_before_anything_is_sent() {
    let world = world(|setup| {
        setup.ci = Some(passing_ci());
        setup.files.push(("lib/run.sh", b"#!/bin/sh\n".to_vec()));
        let complaint = ["`lib/run.sh` is executable and must stay as it is"];
        let script = generates(&file("lib/run.sh", "#!/bin/sh\necho"));
        let script = script.with(Task::Repair, &complaint, &[], &file("lib/round.py", "ROUND = 1"));
        setup.script = with_clean_reviews(script);
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.model_calls(Task::Generate), world.model_calls(Task::Repair)), (1, 1));
    assert_eq!(world.applied("POST", REFS), 1, "for the second answer alone");
    assert_signed(&world, run, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_moves_is_merged_into_the_branch_by_the_forge() {
    let world = world(|setup| setup.ci = None).await;
    let run = world.submit(RISK_CHECKER).await;
    world.until_waiting_for(run, "CI Pipeline (not reported)").await;
    let reviewed = world.head(run).await;
    world.push_as("asha", "main", "CHANGES.md", "A new morning.\n").await;
    let head = world.until_head_changes(run, &reviewed).await;
    world.pass_checks(&head).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let merge = commit(&world, &head).await;
    assert_eq!(merge["commit"]["verification"]["verified"], true);
    assert_eq!((merge["parents"].as_array().unwrap().len(), pushes(&world)), (2, 0));
    let history = world.history(run).await;
    assert!(history.contains("update → pushed: merged asha into the branch"), "{history}");
    assert_eq!(world.applied("PUT", "/repos/*/*/pulls/*/update-branch"), 1);
    world.assert_nothing_twice();
}
