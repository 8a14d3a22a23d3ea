//! What a check says, who may say it, and why it does not move.

use aspora::{
    dev::{
        Acting,
        github::{CI_APP, JobEnd},
    },
    llm::Task,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    support,
    world::{REPO, Setup, World},
};

const CI: &str = "CI Pipeline";

/// A low change, and no CI but what the story reports.
fn quiet(setup: &mut Setup) {
    setup.ci = None;
    setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
}

/// A run that waits for its checks, and its head.
async fn waiting(world: &World) -> (Uuid, String) {
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, CI).await;
    (run, world.head(run).await)
}

async fn main_of(world: &World) -> String {
    world.twin.branch(REPO, "main").await.unwrap().unwrap()
}

async fn end(world: &World, run: i64, job: &str, conclusion: &str) {
    let end = JobEnd { conclusion: conclusion.to_owned(), ..JobEnd::default() };
    world.twin.end_job(REPO, run, job, end).await.unwrap();
}

/// A workflow with one job that ends at once.
async fn ended(world: &World, sha: &str, workflow: &str, conclusion: &str) -> i64 {
    let run = world.twin.run_workflow(REPO, sha, workflow, &[CI]).await.unwrap();
    end(world, run, CI, conclusion).await;
    run
}

async fn until_attempt(world: &World, run: i64, attempt: i64) {
    let at = async || world.twin.workflow_runs(REPO).iter().any(|it| it.id == run && it.attempt == attempt);
    world.eventually(&format!("attempt {attempt} of the workflow run"), at).await;
}

/// Lets a run's check stand still for so much longer: what is remembered of it moves into the past.
async fn stand_still(world: &World, run: Uuid, minutes: i64) {
    let pushes = "update effect set done_at = done_at - make_interval(mins => $2)
                  where run_id = $1 and kind in ('push', 'rerun')";
    let minutes_as_number = i32::try_from(minutes).unwrap();
    sqlx::query(pushes).bind(run).bind(minutes_as_number).execute(&world.pool).await.unwrap();
    let (id, mut facts) = last_facts(world, run).await;
    age(&mut facts, chrono::Duration::minutes(minutes));
    // What was decided before rests on other times now.
    facts[support::decisions::CHANGED] = true.into();
    let update = "update assessment set facts = $2 where id = $1";
    sqlx::query(update).bind(id).bind(facts).execute(&world.pool).await.unwrap();
}

async fn last_facts(world: &World, run: Uuid) -> (i64, Value) {
    let last = "select id, facts from assessment where run_id = $1 order by id desc limit 1";
    sqlx::query_as(last).bind(run).fetch_one(&world.pool).await.unwrap()
}

fn age(value: &mut Value, by: chrono::Duration) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let time = value.as_str().and_then(|text| text.parse::<chrono::DateTime<chrono::Utc>>().ok());
                match time.filter(|_| name == "since") {
                    Some(time) => *value = json!(time - by),
                    None => age(value, by),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| age(item, by)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_runner_is_run_again_twice_and_then_needs_a_person() {
    let world = World::with(quiet).await;
    let (run, head) = waiting(&world).await;
    let workflow = ended(&world, &head, "CI", "cancelled").await;
    for attempt in [2, 3] {
        until_attempt(&world, workflow, attempt).await;
        end(&world, workflow, CI, "cancelled").await;
    }
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("check CI Pipeline: cancelled, after 2 re-runs"), "{reason}");
    assert_eq!(world.applied("POST", "/repos/*/*/actions/runs/*/rerun-failed-jobs"), 2);
    assert_eq!((world.model_calls(Task::Remediate), world.merges()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_runner_that_comes_back_merges() {
    let world = World::with(quiet).await;
    let (run, head) = waiting(&world).await;
    let workflow = ended(&world, &head, "CI", "timed_out").await;
    until_attempt(&world, workflow, 2).await;
    end(&world, workflow, CI, "success").await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.applied("POST", "/repos/*/*/actions/runs/*/rerun-failed-jobs"), 1);
    assert_eq!(world.model_calls(Task::Remediate), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_waits_for_approval_is_named() {
    let world = World::with(quiet).await;
    let (run, head) = waiting(&world).await;
    let workflow = world.twin.run_workflow(REPO, &head, "Tests", &[]).await.unwrap();
    world.twin.end_workflow(REPO, workflow, "action_required").await.unwrap();
    let reason = world.until_waiting_for(run, "workflow Tests waits for a person at").await;
    assert!(reason.contains(&format!("/actions/runs/{workflow}")), "{reason}");
    ended(&world, &head, "Tests", "success").await;
    assert_eq!(world.run_to_end(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_check_outlives_its_deadline_while_its_jobs_move() {
    let world = World::with(quiet).await;
    let (run, head) = waiting(&world).await;
    let workflow = world.twin.run_workflow(REPO, &head, "CI", &[CI, "build", "lint"]).await.unwrap();
    world.twin.move_job(REPO, workflow, CI).await.unwrap();
    world.until_waiting_for(run, "CI Pipeline (in progress)").await;
    for job in ["build", "lint"] {
        stand_still(&world, run, 50).await;
        let (before, _) = last_facts(&world, run).await;
        end(&world, workflow, job, "success").await;
        world.eventually("the move is seen", async || last_facts(&world, run).await.0 > before).await;
    }
    world.until_waiting_for(run, "CI Pipeline (in progress)").await;
    stand_still(&world, run, 60).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("CI Pipeline: stopped moving: in progress for 60 minutes"), "{reason}");
    assert_eq!(world.model_calls(Task::Remediate), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_never_reports_is_named_after_the_products_deadline() {
    let world = World::with(quiet).await;
    let product = "wealth".parse().unwrap();
    aspora::store::product::set_checks(&world.pool, &product, Some(CI_APP), Some(20)).await.unwrap();
    let (run, _) = waiting(&world).await;
    stand_still(&world, run, 20).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("check CI Pipeline: never reported: not reported after 20 minutes"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_report_ourselves_by_status_puts_off_no_deadline() {
    let world = World::with(|setup| {
        quiet(setup);
        setup.acting = Acting::FineGrained;
    })
    .await;
    world.twin.set_private(REPO, false).unwrap();
    let (run, _) = waiting(&world).await;
    stand_still(&world, run, 60).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("check CI Pipeline: never reported"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn j10_a_check_of_the_right_name_by_another_app_or_a_status_is_not_merged() {
    let world = World::with(quiet).await;
    ended(&world, &main_of(&world).await, "CI", "success").await;
    let (run, head) = waiting(&world).await;
    world.twin.set_check("evil-app", REPO, &head, CI, Some("success")).await.unwrap();
    world.twin.set_status_as("eve", REPO, &head, (CI, "success", "fine")).await.unwrap();
    world.until_waiting_for(run, "not reported by the app github-actions, as on the base").await;
    assert_eq!(world.merges(), 0);
    ended(&world, &head, "CI", "success").await;
    assert_eq!(world.run_to_end(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn j10_a_bare_status_satisfies_no_check_that_the_base_does_not_have_as_one() {
    let world = World::with(quiet).await;
    let (run, head) = waiting(&world).await;
    world.twin.set_status_as("eve", REPO, &head, (CI, "success", "fine")).await.unwrap();
    world.until_waiting_for(run, "reported only by a commit status").await;
    assert_eq!(world.merges(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn j11_a_run_that_begins_in_the_future_does_not_hide_a_later_failure() {
    let world = World::with(quiet).await;
    let (run, head) = waiting(&world).await;
    let far = (CI, "2099-01-01T00:00:00Z");
    let first = world.twin.set_check_started_at("ci", REPO, &head, far).await.unwrap();
    let second = world.twin.set_check("ci", REPO, &head, CI, None).await.unwrap();
    world.twin.conclude_check("ci", REPO, first, "success").await.unwrap();
    world.twin.conclude_check("ci", REPO, second, "skipped").await.unwrap();
    assert_eq!(world.run_to_end(run).await, "needs_human");
    assert!(world.reason(run).await.contains("skipped, which is not success"));
    assert_eq!(world.merges(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_in_one_suite_is_not_hidden_by_a_success_of_the_same_name_in_another() {
    let world = World::with(quiet).await;
    let (run, head) = waiting(&world).await;
    let one = world.twin.run_workflow(REPO, &head, "Unit", &[CI]).await.unwrap();
    let other = world.twin.run_workflow(REPO, &head, "Deploy", &[CI]).await.unwrap();
    end(&world, other, CI, "skipped").await;
    end(&world, one, CI, "success").await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    assert!(world.reason(run).await.contains("CI Pipeline: skipped"));
    assert_eq!(world.merges(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_red_on_the_base_waits_for_the_base_and_costs_no_model_call() {
    let world = World::with(quiet).await;
    ended(&world, &main_of(&world).await, "CI", "failure").await;
    let (run, head) = waiting(&world).await;
    ended(&world, &head, "CI", "failure").await;
    world.until_waiting_for(run, "red on the base at").await;
    let green = world.push_as("asha", "main", "lib/other.py", "OTHER = 1\n").await;
    ended(&world, &green, "CI", "success").await;
    let updated = world.until_head_changes(run, &head).await;
    ended(&world, &updated, "CI", "success").await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.model_calls(Task::Remediate), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_sees_what_a_failed_check_reports() {
    let seen = [
        "check CI Pipeline: failure",
        "2 tests failed",
        "See the page; the password is [secret]",
        "lib/round.py:1 failure: Rounds: expected 2",
    ];
    let hidden = ["ghp_0123456789abcdefABCDxyz"];
    let world = World::with(|setup| {
        quiet(setup);
        let script = generates(&file("lib/round.py", "ROUND = 1"));
        let fixed = file("lib/round.py", "ROUND = 2");
        setup.script = with_clean_reviews(script.with(Task::Remediate, &seen, &hidden, &fixed));
    })
    .await;
    let (run, head) = waiting(&world).await;
    let workflow = world.twin.run_workflow(REPO, &head, "CI", &[CI]).await.unwrap();
    let summary = "See the page; the password is ghp_0123456789abcdefABCDxyz.".to_owned();
    let end = JobEnd {
        conclusion: "failure".to_owned(),
        log: String::new(),
        output: Some(("2 tests failed".to_owned(), summary)),
        annotations: vec![json!({
            "path": "lib/round.py", "start_line": 1, "end_line": 1, "annotation_level": "failure",
            "title": "Rounds", "message": "expected 2",
        })],
    };
    world.twin.end_job(REPO, workflow, CI, end).await.unwrap();
    let fixed = world.until_head_changes(run, &head).await;
    ended(&world, &fixed, "CI", "success").await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.model_calls(Task::Remediate), 1);
}
