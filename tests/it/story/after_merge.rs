//! After the merge: deployments of the change, the base's own checks, and the run that reverts.

use aspora::{
    core::aftermath::RevertOnRed,
    dev::{Acting, github::CI_APP},
    store,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, Setup, World},
};

const CI: &str = "CI Pipeline";

fn simple(setup: &mut Setup) {
    setup.acting = Acting::App;
    setup.ci = Some(passing_ci());
    setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
}

/// A run that was merged, and its commit on the base.
async fn merged() -> (World, Uuid, String) {
    let world = World::with(simple).await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let sha = world.run(run).await.run.progress.merged.unwrap().to_string();
    (world, run, sha)
}

async fn after(world: &World, run: Uuid) -> Value {
    world.call("GET", &format!("runs/{run}/after-merge"), None).await.1
}

async fn until_base(world: &World, run: Uuid, state: &str) {
    let is_so = async || after(world, run).await["base"]["state"] == state;
    world.eventually(&format!("the base is {state}"), is_so).await;
}

async fn count(world: &World, table: &str) -> i64 {
    let count = format!("select count(*) from {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&world.pool).await.unwrap()
}

fn parent_of(world: &World, sha: &str) -> String {
    let forge = world.folder.path().join("forge/repositories").join(format!("{REPO}.git"));
    let output = std::process::Command::new("git")
        .arg("-C")
        .arg(forge)
        .args(["rev-parse", &format!("{sha}^1")])
        .output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_of_the_merge_or_of_what_follows_it_on_the_base_is_shown() {
    let (world, run, sha) = merged().await;
    let deploy = async |sha: &str, place: &str, states: &[&str]| {
        let id = world.twin.begin_deployment(REPO, sha, place).await.unwrap();
        for state in states {
            world.twin.move_deployment(REPO, id, state, "https://wealth.test").await.unwrap();
        }
    };
    deploy(&sha, "production", &["in_progress", "success"]).await;
    let state = async || after(&world, run).await["deployments"][0]["state"] == "success";
    world.eventually("the deployment is shown", state).await;
    let page = world.page(&format!("runs/{run}")).await;
    assert!(page.contains("https://wealth.test") && page.contains("in_progress"), "{page}");
    // Another place gets a later commit, and a preview a branch that nobody merged.
    let later = world.push_as("asha", "main", "lib/later.py", "LATER = 1\n").await;
    let topic = world.push_as("asha", "topic", "lib/topic.py", "TOPIC = 1\n").await;
    deploy(&topic, "preview", &["success"]).await;
    deploy(&later, "staging", &["success"]).await;
    let places = async || {
        let all = after(&world, run).await["deployments"].as_array().unwrap().clone();
        all.iter().map(|it| it["environment"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    world.eventually("the later one is shown", async || places().await.len() == 2).await;
    let due = async || count(&world, "deployment where look_at < 'infinity'").await == 0;
    world.eventually("all are looked at", due).await;
    assert_eq!(places().await, ["staging", "production"]);
    // Production gets the later commit too: the change was there already.
    deploy(&later, "production", &["success"]).await;
    world.eventually("that is looked at", due).await;
    assert_eq!(places().await, ["staging", "production"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_breaks_on_the_base_is_one_incident_also_for_another_worker() {
    let (world, run, sha) = merged().await;
    let set =
        async |conclusion| world.twin.set_check(CI_APP, REPO, &sha, CI, Some(conclusion)).await.unwrap();
    // The base never ran it; the pull request's head had passed it.
    set("failure").await;
    until_base(&world, run, "red").await;
    world.stop_worker().await;
    sqlx::query("update base_watch set due_at = now(), checks = '[]'").execute(&world.pool).await.unwrap();
    world.start_worker(|_| {});
    until_base(&world, run, "red").await;
    assert_eq!(count(&world, "incident").await, 1);
    let page = world.page(&format!("runs/{run}")).await;
    assert!(page.contains("fails on main since this merge"), "{page}");
    set("success").await;
    until_base(&world, run, "green_again").await;
    let title: String =
        sqlx::query_scalar("select title from incident").fetch_one(&world.pool).await.unwrap();
    assert!(title.contains("green again at"), "{title}");
    assert_eq!(count(&world, "revert").await, 0, "nobody asked for that");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_was_red_before_is_no_incident() {
    let (world, run, sha) = merged().await;
    let parent = parent_of(&world, &sha);
    world.twin.set_check(CI_APP, REPO, &parent, CI, Some("failure")).await.unwrap();
    world.twin.set_check(CI_APP, REPO, &sha, CI, Some("failure")).await.unwrap();
    until_base(&world, run, "red_before").await;
    assert_eq!(count(&world, "incident").await, 0);
    assert!(!world.history(run).await.contains("base:"));
    sqlx::query("update base_watch set until_at = now(), due_at = now()").execute(&world.pool).await.unwrap();
    let is_over = async || count(&world, "base_watch where is_over").await == 1;
    world.eventually("the watch is over", is_over).await;
    assert_eq!(after(&world, run).await["base"]["state"], "red_before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_broke_the_base_is_reverted_through_the_gate_where_the_product_says_so() {
    let (world, run, sha) = merged().await;
    store::product::watch(&world.pool, &"wealth".parse().unwrap(), None, RevertOnRed::Open).await.unwrap();
    let calls = world.model_calls(aspora::llm::Task::Generate);
    world.twin.set_check(CI_APP, REPO, &sha, CI, Some("failure")).await.unwrap();
    let begun = async || !after(&world, run).await["reverted_by"].as_array().is_none_or(Vec::is_empty);
    world.eventually("a run reverts it", begun).await;
    let reverting: Uuid =
        after(&world, run).await["reverted_by"][0]["run_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(world.run_to_end(reverting).await, "done", "{}", world.history(reverting).await);
    assert_eq!(world.model_calls(aspora::llm::Task::Generate), calls, "git made the change");
    assert!(world.model_calls(aspora::llm::Task::Review) > 0);
    let gone = world.on_main(&["test", "!", "-e", "lib/round.py"]).await;
    assert_eq!(gone.exit, Some(0), "{gone:?}");
    let of = after(&world, run).await;
    assert_eq!(
        (&of["reverted_by"][0]["state"], &of["reverted_by"][0]["asked_by"]),
        (&json!("succeeded"), &json!("base-watch"))
    );
    assert_eq!(after(&world, reverting).await["reverts"]["sha"], sha);
    assert_eq!(world.merges(), 2);
    let refused = world.call("POST", &format!("runs/{run}/revert"), Some(json!({"reason": "again"}))).await;
    assert_eq!(refused.0, 409, "{}", refused.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revert_that_conflicts_needs_a_person_and_says_where() {
    let (world, run, _) = merged().await;
    world.push_as("asha", "main", "lib/round.py", "ROUND = 2\n").await;
    let asked = world.control(run, "revert", &json!({"reason": "it is wrong"})).await;
    let reverting: Uuid = asked["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(world.run_to_end(reverting).await, "needs_human");
    let reason = world.reason(reverting).await;
    assert!(reason.contains("cannot be taken back on main: `lib/round.py` changed since"), "{reason}");
    assert_eq!(world.merges(), 1);
}
