//! How runs end: whatever the end, the gate's check on the last head is completed and says why.

use std::sync::{Arc, Mutex};

use aspora::{
    core::policy::StatusState,
    dev::{
        Acting,
        github::{Fault, FaultRule, Phase},
    },
    llm::Task,
};
use insta::assert_snapshot;
use serde_json::json;
use uuid::Uuid;

use super::{
    forge::passing_ci,
    reports::ours,
    rounds::new_finding_on_every_head,
    script::{COUNT_ROUNDS, file, finds, generates, with_clean_reviews},
    world::{REPO, Setup, World},
};

fn simple(setup: &mut Setup) {
    // A status knows fewer conclusions than a check run.
    setup.acting = Acting::App;
    setup.ci = None;
    setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
}

/// The conclusion and the title of the gate's check on the run's head.
async fn gate(world: &World, run: Uuid) -> (Option<String>, String) {
    let head = world.head(run).await;
    let reports = ours(&world.twin).into_iter();
    let mut gates = reports.filter(|it| it.name == "risk-policy-gate" && it.head == head);
    let gate = gates.next().expect("the gate has a check on the head");
    assert!(gates.next().is_none(), "the gate has one check a head");
    (gate.conclusion, gate.title)
}

/// Waits until the gate's check on the run's head has this conclusion; its title.
async fn concluded(world: &World, run: Uuid, conclusion: &str) -> String {
    let what = format!("the gate's check is {conclusion}");
    world.eventually(&what, async || gate(world, run).await.0.as_deref() == Some(conclusion)).await;
    gate(world, run).await.1
}

/// Makes the last word due that was refused.
async fn hurry(world: &World) {
    sqlx::query("update epilogue set due_at = now()").execute(&world.pool).await.unwrap();
}

async fn refused(world: &World) -> i64 {
    let refused = "select count(*) from epilogue where error is not null";
    sqlx::query_scalar(refused).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_out_of_rounds_completes_the_check_of_its_last_head() {
    let world = World::with(|setup| {
        setup.acting = Acting::App;
        setup.script = new_finding_on_every_head("high");
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let title = concluded(&world, run, "action_required").await;
    assert!(title.starts_with("ended as needs_human: all 3 rounds of `remediate` are spent"), "{title}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_may_only_set_statuses_completes_the_status_of_its_last_head() {
    let world = World::with(|setup| {
        simple(setup);
        setup.acting = Acting::FineGrained;
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.control(run, "cancel", &json!({"reason": "not wanted any more"})).await;
    let (forge, repo, head) = (world.forge(), REPO.parse().unwrap(), world.head(run).await.parse().unwrap());
    world
        .eventually("the gate's status is no longer pending", async || {
            let statuses = forge.statuses(&repo, &head).await.unwrap();
            let gate = statuses.into_iter().find(|status| status.context == "risk-policy-gate").unwrap();
            gate.state == StatusState::Error && gate.description.starts_with("ended as cancelled: ")
        })
        .await;
    let reports = || {
        let comments = world.twin.comments(REPO).into_iter();
        comments.map(|it| it.body).filter(|body| body.contains("### risk-policy-gate")).collect::<Vec<_>>()
    };
    let is_edited =
        async || reports().first().is_some_and(|it| it.contains("Ended as cancelled: not wanted"));
    world.eventually("the comment is edited", is_edited).await;
    assert_eq!(reports().len(), 1, "{:?}", reports());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_cancelled_while_no_worker_runs_completes_its_check_once_one_does() {
    let world = World::with(simple).await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.stop_worker().await;
    world.control(run, "cancel", &json!({"reason": "not wanted any more"})).await;
    assert_eq!(gate(&world, run).await.0, None, "without a worker the check stays open");
    world.start_worker(|_| {});
    let title = concluded(&world, run, "cancelled").await;
    assert_eq!(title, "ended as cancelled: not wanted any more");
    // A retried run opens it again.
    world.control(run, "retry", &json!({"reason": "wanted after all"})).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    assert_eq!(gate(&world, run).await.0, None);
    let head = world.head(run).await;
    world.pass_checks(&head).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(gate(&world, run).await.0.as_deref(), Some("success"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_word_that_the_forge_refuses_is_said_later() {
    let world = World::with(simple).await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    let (method, path) = ("PATCH".to_owned(), "/repos/*/*/check-runs/*".to_owned());
    world.twin.inject(FaultRule { method, path, nth: 1, fault: Fault::ErrorBefore(502) }).unwrap();
    world.control(run, "cancel", &json!({"reason": "not wanted any more"})).await;
    world.eventually("the forge refuses the last word", async || refused(&world).await == 1).await;
    assert_eq!(gate(&world, run).await.0, None);
    world
        .eventually("the check is completed later", async || {
            hurry(&world).await;
            gate(&world, run).await.0.as_deref() == Some("cancelled")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pull_request_and_a_dead_letter_complete_their_checks() {
    let world = World::with(simple).await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.twin.close_pull("asha", REPO, 1).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "closed");
    let title = concluded(&world, run, "cancelled").await;
    assert!(title.ends_with("the pull request was closed"), "{title}");

    let (method, path) = ("POST".to_owned(), "/repos/*/*/pulls/*/reviews".to_owned());
    world.twin.inject(FaultRule { method, path, nth: 0, fault: Fault::ErrorBefore(422) }).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let title = concluded(&world, run, "action_required").await;
    assert!(title.starts_with("ended as needs_human: `review` failed"), "{title}");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_a_fix_leaves_behind_are_found_before_its_review_is_paid_for() {
    let world = World::with(|setup| {
        setup.acting = Acting::App;
        let api = file("api/v1/rounds.py", "ROUNDS = 1");
        let script = generates(&file("lib/round.py", "ROUND = 0"))
            .with(Task::Review, &["+ROUND = 0"], &["ROUNDS"], &finds("high", "lib/round.py", "too early"))
            .with(Task::Remediate, &["too early"], &[], &api)
            .with(Task::Remediate, &["no document did"], &[], &file("docs/API.md", "# API\nRounds."));
        setup.script = with_clean_reviews(script);
        setup.ci = Some(passing_ci());
    })
    .await;
    let open = gates_at_reviews(&world);
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_snapshot!(world.history(run).await, @r#"
    started
    generate → opened: opened #1 on abc: 1 file, tests pass
    gate → passed: low change at abc is ready for review
    review → findings: 1 actionable (1 blocking) on abc
    remediate → pushed: pushed def over abc: 1 finding, 0 blockers, tests pass
    recheck → blocked: blocked on def: "api/v1/rounds.py" changed and no document did; update docs/API.md or docs/ARCHITECTURE.md
    remediate → pushed: pushed ghi over def: 0 findings, 1 blocker, tests pass
    recheck → passed: high change at ghi is ready for review
    rerun → clean: 0 actionable (0 blocking) on ghi
    verdict → cleared: high change at ghi is cleared to merge
    merge → merged: merged as the merge
    done (succeeded): merged as the merge
    "#);
    assert_eq!(world.model_calls(Task::Review), 2, "the head without documents is not reviewed");
    assert_eq!(*open.lock().unwrap(), ["in_progress", "in_progress"], "a head is gated before its review");
}

/// The status of the gate's check on the head, whenever a review is posted.
fn gates_at_reviews(world: &World) -> Arc<Mutex<Vec<String>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (found, twin) = (Arc::clone(&seen), Arc::downgrade(&world.twin));
    world.twin.on_request(Arc::new(move |request, phase| {
        let Some(twin) = twin.upgrade() else { return };
        if phase != Phase::Before || request.method != "POST" || !request.path.ends_with("/pulls/1/reviews") {
            return;
        }
        let head = twin.pulls(REPO)[0].head_sha.clone();
        let runs = twin.check_runs(REPO).into_iter();
        let gate = runs.filter(|run| run.name == "risk-policy-gate" && run.head_sha == head);
        found.lock().unwrap().extend(gate.map(|run| run.status));
    }));
    seen
}
