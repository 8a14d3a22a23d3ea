//! What follows the end of a run: its last word, and what people do to its pull request later.

use aspora::{
    core::policy::GATE_CHECK,
    dev::{Acting, github::APP},
    store,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, Setup, World},
};

fn simple(setup: &mut Setup) {
    setup.acting = Acting::App;
    setup.ci = None;
    setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
}

/// A run that a person cancelled while it waited for its checks.
async fn cancelled(change: impl FnOnce(&mut Setup)) -> (World, Uuid) {
    let world = World::with(|setup| {
        simple(setup);
        change(setup);
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.control(run, "cancel", &json!({"reason": "not now"})).await;
    world.eventually("the last word is said", async || owed(&world).await == 0).await;
    (world, run)
}

async fn owed(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from epilogue").fetch_one(&world.pool).await.unwrap()
}

async fn until_said(world: &World, run: Uuid, what: &str) {
    world.eventually(what, async || world.history(run).await.contains(what)).await;
}

/// The identifiers of the buttons of the gate's newest check run, and its summary.
fn gate(world: &World) -> (Vec<String>, String) {
    let mut runs = world.twin.check_runs(REPO).into_iter();
    let gate = runs.rfind(|run| run.app == APP && run.name == GATE_CHECK).unwrap();
    let buttons = gate.actions.iter().map(|it| it["identifier"].as_str().unwrap().to_owned());
    (buttons.collect(), gate.summary.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_after_the_end_is_recorded_as_unjudged_and_counted() {
    let (world, run) = cancelled(|_| {}).await;
    assert_eq!(gate(&world).0, ["rerun_gate"]);
    world.twin.merge_as("asha", REPO, 1).await.unwrap();
    until_said(&world, run, "after the end: merged unjudged by asha as ").await;
    let stored = world.run(run).await.run;
    assert_eq!(stored.progress.unjudged.as_deref(), Some("asha"));
    assert!(stored.progress.merged.is_some());
    assert_eq!(store::requirement::count_unjudged(&world.pool).await.unwrap(), 1);
    let (_, listed) = world.call("GET", "requirements?state=unjudged", None).await;
    assert_eq!(listed["items"][0]["run_id"], json!(run), "{listed}");
    world.eventually("the check says it", async || gate(&world).1.contains("was merged")).await;
    assert_eq!(gate(&world).0, Vec::<String>::new(), "nothing is left to judge again");
    let page = world.page(&format!("runs/{run}")).await;
    assert!(page.contains("merged unjudged by asha"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_is_closed_and_reopened_after_the_end_is_said_once_each() {
    let (world, run) = cancelled(|_| {}).await;
    let ended_at = async || -> chrono::DateTime<chrono::Utc> {
        let ended = "select ended_at from run where id = $1";
        sqlx::query_scalar(ended).bind(run).fetch_one(&world.pool).await.unwrap()
    };
    let before = ended_at().await;
    world.twin.close_pull("asha", REPO, 1).await.unwrap();
    until_said(&world, run, "after the end: pull request #1 was closed").await;
    world.twin.reopen_pull("asha", REPO, 1).await.unwrap();
    until_said(&world, run, "after the end: pull request #1 was reopened; retry the run").await;
    world.eventually("nothing is owed", async || owed(&world).await == 0).await;
    let history = world.history(run).await;
    assert_eq!(history.matches("after the end").count(), 2, "{history}");
    assert_eq!(ended_at().await, before, "the run ended once");
    world.control(run, "retry", &json!({"reason": "again"})).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    assert_eq!(world.run(run).await.run.progress.after_end, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_of_a_merged_run_has_no_buttons_and_stays_as_it_was() {
    let world = World::with(|setup| {
        simple(setup);
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    world.eventually("the buttons are gone", async || gate(&world).0.is_empty()).await;
    assert!(gate(&world).1.contains("is cleared to merge"), "{}", gate(&world).1);
    assert_eq!(world.conclusions(GATE_CHECK), [Some("success".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_word_that_cannot_be_said_for_a_day_is_given_up() {
    let world = World::with(simple).await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.twin.archive_repository(REPO, true).await.unwrap();
    world.control(run, "cancel", &json!({"reason": "not now"})).await;
    let is_refused = async || {
        let refused = "select count(*) from epilogue where error is not null";
        sqlx::query_scalar::<_, i64>(refused).fetch_one(&world.pool).await.unwrap() == 1
    };
    world.eventually("the last word is refused", is_refused).await;
    let later = "update epilogue set due_at = now(), owed_at = now() - interval '25 hours'";
    sqlx::query(later).execute(&world.pool).await.unwrap();
    let given_up = async || store::epilogue::count_given_up(&world.pool).await.unwrap() == 1;
    world.eventually("it is given up", given_up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_whose_text_comes_back_is_set_again() {
    let world = World::with(|setup| {
        simple(setup);
        setup.acting = Acting::FineGrained;
    })
    .await;
    world.twin.set_private(REPO, false).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    let said = || {
        let mut statuses = world.twin.statuses(REPO).into_iter();
        statuses.rfind(|it| it.context == GATE_CHECK).and_then(|it| it.description).unwrap_or_default()
    };
    world.until_waiting_for(run, "CI Pipeline").await;
    world.eventually("it waits for the check", async || said().contains("CI Pipeline")).await;
    let first = said();
    world.twin.set_draft("asha", REPO, 1, true).await.unwrap();
    world.eventually("it waits for the draft, too", async || said().contains("draft state")).await;
    world.twin.set_draft("asha", REPO, 1, false).await.unwrap();
    world.eventually("the first text is back", async || said() == first).await;
    let report = async || {
        let comments = world.twin.comments(REPO);
        comments.iter().filter(|it| it.body.contains(GATE_CHECK)).all(|it| !it.body.contains("draft"))
    };
    world.eventually("and so is the report", report).await;
}
