//! People who take a run in hand: what they may do to it, and what they cannot make it do.

use aspora::{
    core::workflow::Outcome,
    dev::github::{Fault, FaultRule, Phase},
    engine::{Control, Verb},
    llm::Task,
    store::{self, dead_letter::Filter},
};
use insta::assert_snapshot;
use serde_json::json;
use uuid::Uuid;

use super::{
    rounds::never_content,
    script::{WISH, and_content, file, finds, generates},
    world::{World, content},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_person_was_needed_for_is_forked_from_its_review_and_merged_by_the_same_pull_request() {
    let world = World::with(|setup| {
        setup.script = and_content(never_content("high"));
        setup.ci = Some(content());
    })
    .await;
    let run = world.submit(WISH).await;
    assert_eq!(world.settle(run).await, "needs_human");
    let fork = world.told(run, "fork", &json!({"reason": "two more rounds will do", "step": "review"})).await;
    let fork: Uuid = fork["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(world.settle(fork).await, "done");
    assert_snapshot!(world.history(fork).await, @r"
    forked at review: two more rounds will do
    review → findings: 1 actionable (1 blocking) on abc
    remediate → pushed: pushed def over abc: 1 finding, 0 blockers, tests pass
    rerun → findings: 1 actionable (1 blocking) on def
    remediate → pushed: pushed ghi over def: 1 finding, 0 blockers, tests pass
    rerun → clean: 0 actionable (0 blocking) on ghi
    verdict → cleared: low change at ghi is cleared to merge
    merge → merged: merged as the merge
    done (succeeded): merged as the merge
    ");
    assert_eq!(
        world.asked(Task::Review),
        6,
        "the review of the last head of the old run is not paid for again"
    );
    world.nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_came_to_nothing_is_retried_where_it_ended_and_merged() {
    let world = World::with(|setup| {
        setup.ci = Some(content());
        let path = "lib/round.py";
        setup.script = and_content(
            generates(&file(path, "ROUND = 0"))
                .with(Task::Review, &["+ROUND = 0"], &[], &finds("high", path, "too early"))
                .with(Task::Remediate, &["too early"], &[], &file(path, "ROUND = 1")),
        );
    })
    .await;
    world.stop_worker().await;
    let run = world.submit(WISH).await;
    world.told(run, "cancel", &json!({"reason": "waiting for legal"})).await;
    assert_eq!(world.settle(run).await, "cancelled");
    world.told(run, "retry", &json!({"reason": "legal said yes"})).await;
    world.start_worker(|_| {});
    assert_eq!(world.settle(run).await, "done");
    let history = world.history(run).await;
    let begin = "started\ngenerate cancelled: waiting for legal\nsent to generate: legal said yes\n";
    assert!(history.starts_with(begin), "{history}");
    world.nothing_twice();
}

/// The tier of this change demands no review; the verdict does, and a skip is none.
#[tokio::test(flavor = "multi_thread")]
async fn skipping_gate_and_review_merges_nothing_that_was_not_judged() {
    let world = World::with(|setup| {
        setup.ci = Some(content());
        setup.script = and_content(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    // Paused while a worker is at the gate: its answer counts, and the review is not begun.
    let (engine, pool) = (world.engine.clone(), world.pool.clone());
    let gate = |_: &_, method: &str, path: &str, phase| {
        phase == Phase::Before && method == "POST" && path.ends_with("/check-runs")
    };
    world.once_at(gate, |_| async move {
        let run: Uuid = sqlx::query_scalar("select id from run").fetch_one(&pool).await.unwrap();
        engine.pause(run, "pm@acme", &"let me look".parse().unwrap()).await.unwrap();
    });
    let run = world.submit(WISH).await;
    world.pauses_at(run, "review").await;
    let verb = |verb: Verb| {
        let engine = &world.engine;
        async move { engine.control(run, &verb, "pm@acme", &"no time".parse().unwrap()).await }
    };
    verb(Verb::Skip(Outcome::Clean)).await.unwrap();
    for outcome in [Outcome::Cleared, Outcome::Merged] {
        let refused = verb(Verb::Skip(outcome)).await.unwrap_err().to_string();
        assert_eq!(refused, "`verdict` cannot be skipped: nothing is merged that was not judged");
    }
    verb(Verb::Resume).await.unwrap();
    assert_eq!(world.settle(run).await, "done");
    let history = world.history(run).await;
    assert!(history.contains("review skipped as clean: no time\n"), "{history}");
    assert!(history.contains("verdict → moved: abc has not been reviewed\ngate → passed"), "{history}");
    assert_eq!(world.asked(Task::Review), 1, "{history}");
    world.nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_redriven_goes_on_with_what_was_paid_for_and_pushed() {
    let world = World::with(|setup| {
        setup.ci = Some(content());
        setup.script = and_content(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    for nth in 1..=5 {
        let (method, path) = ("POST".to_owned(), "/repos/*/*/pulls".to_owned());
        world.twin.inject(FaultRule { method, path, nth, fault: Fault::ErrorBefore(500) }).unwrap();
    }
    let run = world.submit(WISH).await;
    assert_eq!(world.settle(run).await, "needs_human");
    let letters = store::dead_letter::list(&world.pool, &Filter::default(), None, 10).await.unwrap();
    let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
    assert_eq!(ids.len(), 1);
    let why = "GitHub is back".parse().unwrap();
    assert_eq!(world.engine.redrive(ids[0], "pm@acme", &why).await.unwrap(), Control::Applied);
    assert_eq!(world.settle(run).await, "done");
    assert_eq!(world.asked(Task::Generate), 1, "the model is paid once");
    world.nothing_twice();
}
