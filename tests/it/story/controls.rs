//! Controls: what people can do to a run, and what no control can bypass.

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
    forge::passing_ci,
    reports::says,
    rounds::new_finding_on_every_head,
    script::{COUNT_ROUNDS, file, finds, generates, with_clean_reviews},
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_of_a_blocked_run_merges_its_pull_request() {
    let world = World::with(|setup| {
        setup.script = with_clean_reviews(new_finding_on_every_head("high"));
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let fork =
        world.control(run, "fork", &json!({"reason": "two more rounds will do", "step": "review"})).await;
    let fork: Uuid = fork["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(world.run_to_end(fork).await, "done");
    assert_snapshot!(world.history(fork).await, @r"
    forked at review: two more rounds will do
    review → findings: 1 actionable (1 blocking) on abc
    remediate → pushed: pushed def over abc: 1 finding, 0 blockers, tests pass
    recheck → passed: low change at def is ready for review
    rerun → findings: 1 actionable (1 blocking) on def
    remediate → pushed: pushed ghi over def: 1 finding, 0 blockers, tests pass
    recheck → passed: low change at ghi is ready for review
    rerun → clean: 0 actionable (0 blocking) on ghi
    verdict → cleared: low change at ghi is cleared to merge
    merge → merged: merged as the merge
    done (succeeded): merged as the merge
    ");
    assert_eq!(world.model_calls(Task::Review), 6, "the old run's review of its last head is used again");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_is_retried_where_it_ended_and_merged() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        let path = "lib/round.py";
        setup.script = with_clean_reviews(
            generates(&file(path, "ROUND = 0"))
                .with(Task::Review, &["+ROUND = 0"], &[], &finds("high", path, "too early"))
                .with(Task::Remediate, &["too early"], &[], &file(path, "ROUND = 1")),
        );
    })
    .await;
    world.stop_worker().await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.control(run, "cancel", &json!({"reason": "waiting for legal"})).await;
    assert_eq!(world.run_to_end(run).await, "cancelled");
    world.control(run, "retry", &json!({"reason": "legal said yes"})).await;
    world.start_worker(|_| {});
    assert_eq!(world.run_to_end(run).await, "done");
    let history = world.history(run).await;
    let begin = "started\ngenerate cancelled: waiting for legal\nretried from generate: legal said yes\n";
    assert!(history.starts_with(begin), "{history}");
    world.assert_nothing_twice();
}

/// This change's tier does not require the review check, but the verdict requires a review.
#[tokio::test(flavor = "multi_thread")]
async fn skipping_the_review_does_not_merge_an_unreviewed_head() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    // Pause while a worker runs the gate: its answer counts, but the review does not start.
    let (engine, pool) = (world.engine.clone(), world.pool.clone());
    let gate =
        |_: &_, method: &str, path: &str, phase| phase == Phase::Before && method == "POST" && says(path);
    world.once_when(gate, |_| async move {
        let run: Uuid = sqlx::query_scalar("select id from run").fetch_one(&pool).await.unwrap();
        engine.pause(run, "pm@acme", &"let me look".parse().unwrap()).await.unwrap();
    });
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_paused_at(run, "review").await;
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
    assert_eq!(world.run_to_end(run).await, "done");
    let history = world.history(run).await;
    assert!(history.contains("review skipped as clean: no time\n"), "{history}");
    assert!(history.contains("verdict → moved: abc has not been reviewed\ngate → passed"), "{history}");
    assert_eq!(world.model_calls(Task::Review), 1, "{history}");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_dead_letter_continues_with_the_answer_that_was_paid_for() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    for nth in 1..=5 {
        let (method, path) = ("POST".to_owned(), "/repos/*/*/pulls".to_owned());
        world.twin.inject(FaultRule { method, path, nth, fault: Fault::ErrorBefore(403) }).unwrap();
    }
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let letters = store::dead_letter::list(&world.pool, &Filter::default(), None, 10).await.unwrap();
    let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
    assert_eq!(ids.len(), 1);
    let why = "GitHub is back".parse().unwrap();
    assert_eq!(world.engine.redrive(ids[0], "pm@acme", &why).await.unwrap(), Control::Applied);
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.model_calls(Task::Generate), 1, "the model is paid once");
    world.assert_nothing_twice();
}
