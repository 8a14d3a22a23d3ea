//! What is offered is accepted, and what is accepted was offered: every verb, in every state, with and without a head.

use std::time::Duration;

use aspora::{
    core::{
        run::{Offer, Progress, Topic},
        workflow::{
            Outcome::{self, Clean, Declined, Opened, Passed, Pushed},
            Queue, Workflow,
        },
    },
    engine::{Answer, Control, Engine, Error, Verb},
    store::{self, job::Lease},
};
use uuid::Uuid;

use super::{
    opinions::{at_verdict, head, park},
    support::{TestEngine, answer},
};

const STATES: [&str; 17] = [
    "queued",
    "running",
    "backs off",
    "waits",
    "paused",
    "paused while it runs",
    "paused while it waits",
    "dead",
    "cancelled",
    "with a head: queued",
    "with a head: running",
    "with a head: waits",
    "with a head: paused",
    "with a head: blocked",
    "with a head: dead",
    "with a head: cancelled",
    "merged",
];

fn why() -> aspora::core::reason::Reason {
    "because".parse().unwrap()
}

/// A run without a head in this state.
async fn without_head(test: &TestEngine, state: &str) -> Uuid {
    let (run, engine) = (test.accept().await, &test.engine);
    if state == "queued" {
        return run;
    }
    if matches!(state, "paused" | "cancelled") {
        let verb = if state == "paused" { Verb::Pause } else { Verb::Cancel };
        engine.control(run, &verb, "pm", &why()).await.unwrap();
        return run;
    }
    let lease = test.claim(Queue::Llm).await;
    match state {
        "backs off" => {
            engine.fail(&lease, "tester", "e", Some(Duration::from_secs(60))).await.unwrap();
        }
        "waits" | "paused while it waits" => park(test, &lease, &[Topic::Reviews]).await,
        "dead" => {
            engine.exhaust(&lease, "tester", "e").await.unwrap();
        }
        _ => {}
    }
    if state.starts_with("paused while") {
        engine.control(run, &Verb::Pause, "pm", &why()).await.unwrap();
    }
    run
}

/// A run with a head in this state.
async fn with_head(test: &TestEngine, state: &str) -> Uuid {
    let (lease, engine) = (at_verdict(test).await, &test.engine);
    let Lease { run, .. } = lease;
    let then = |outcome| (lease.clone(), answer(outcome));
    match state {
        "with a head: waits" | "with a head: paused" => park(test, &lease, &[Topic::Reviews]).await,
        "with a head: blocked" => {
            let (lease, answer) = then(Outcome::Stopped);
            engine.answer(&lease, "tester", answer).await.unwrap();
        }
        "with a head: dead" => {
            engine.exhaust(&lease, "tester", "e").await.unwrap();
        }
        "with a head: queued" | "with a head: cancelled" | "merged" => {
            let (lease, answer) = then(Outcome::Cleared);
            engine.answer(&lease, "tester", answer).await.unwrap();
        }
        _ => {}
    }
    if state == "with a head: paused" {
        engine.control(run, &Verb::Pause, "pm", &why()).await.unwrap();
    }
    if state == "with a head: cancelled" {
        engine.control(run, &Verb::Cancel, "pm", &why()).await.unwrap();
    }
    if state == "merged" {
        let lease = test.claim(Queue::Github).await;
        let progress = Progress { merged: Some(head("c")), ..Progress::default() };
        let answer = Answer { progress, ..answer(Outcome::Merged) };
        engine.answer(&lease, "tester", answer).await.unwrap();
    }
    run
}

async fn in_state(test: &TestEngine, state: &str) -> Uuid {
    if state.starts_with("with") || state == "merged" {
        with_head(test, state).await
    } else {
        without_head(test, state).await
    }
}

async fn offer(engine: &Engine, run: Uuid) -> Offer {
    let (stored, job) = store::standing::with_job(engine.pool(), run).await.unwrap().unwrap();
    engine.offer(&stored, job.map(|job| job.state)).await.unwrap()
}

/// Every control that could be asked for, and whether it is offered.
fn asked(offer: &Offer, workflow: &Workflow) -> Vec<(Verb, bool)> {
    let outcomes =
        [Opened, Declined, Passed, Clean, Pushed, Outcome::Stopped, Outcome::Cleared, Outcome::Merged];
    let plain = [
        (Verb::Pause, offer.pause),
        (Verb::Resume, offer.resume),
        (Verb::Cancel, offer.cancel),
        (Verb::RunNow, offer.run_now),
        (Verb::Retry(None), offer.retry_from.is_some()),
    ];
    let skips = outcomes.map(|outcome| (Verb::Skip(outcome), offer.skip.contains(&outcome)));
    let retries =
        workflow.steps.keys().map(|name| (Verb::Retry(Some(name.clone())), offer.retry.contains(name)));
    plain.into_iter().chain(skips).chain(retries).collect()
}

/// Whether the engine would do it; nothing is kept.
async fn would(engine: &Engine, run: Uuid, verb: &Verb) -> bool {
    let mut tx = engine.pool().begin().await.unwrap();
    let done = engine.control_in(&mut tx, run, verb, "pm", &why()).await;
    tx.rollback().await.unwrap();
    match done {
        Ok(done) => done == Control::Applied,
        Err(Error::Denied(_) | Error::Refused(_)) => false,
        Err(error) => panic!("{verb:?}: {error}"),
    }
}

async fn would_fork(engine: &Engine, run: Uuid, step: &str) -> bool {
    let mut tx = engine.pool().begin().await.unwrap();
    let done = engine.fork_in(&mut tx, run, step, "pm", &why()).await;
    tx.rollback().await.unwrap();
    done.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_offered_is_accepted_and_what_is_accepted_was_offered() {
    for state in STATES {
        let test = TestEngine::new().await;
        let run = in_state(&test, state).await;
        let (engine, offered) = (&test.engine, offer(&test.engine, run).await);
        let workflow = engine.workflow(&test.run(run).await.spec.workflow_hash).await.unwrap();
        for (verb, is_offered) in asked(&offered, &workflow) {
            assert_eq!(would(engine, run, &verb).await, is_offered, "{state}: {verb:?} of {offered:?}");
        }
        for name in workflow.steps.keys() {
            let is_offered = offered.fork.contains(name);
            assert_eq!(would_fork(engine, run, name).await, is_offered, "{state}: fork from {name}");
        }
        let best = offered.fork_from.as_ref();
        assert!(best.is_none_or(|best| offered.fork.contains(best)), "{state}: {offered:?}");
    }
}

#[tokio::test]
async fn a_fork_begins_best_where_the_run_ended() {
    let check = async |state: &str, expected: &str| {
        let test = TestEngine::new().await;
        let run = in_state(&test, state).await;
        assert_eq!(offer(&test.engine, run).await.fork_from.as_deref(), Some(expected), "{state}");
    };
    check("dead", "generate").await;
    check("with a head: blocked", "verdict").await;
    check("with a head: dead", "verdict").await;
    check("with a head: cancelled", "merge").await;
}

#[tokio::test]
async fn a_retry_of_a_step_that_needs_a_head_says_what_to_do_instead() {
    let test = TestEngine::new().await;
    let run = in_state(&test, "dead").await;
    let refused = test.engine.retry(run, Some("merge"), "pm", &why()).await.unwrap_err().to_string();
    assert_eq!(refused, "`merge` works on a pull request, and the run has none yet; start at `generate`");
}
