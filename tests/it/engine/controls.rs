//! What people do to a run: each verb counts once, and never breaks a running attempt.

use std::time::Duration;

use aspora::{
    core::{
        reason::Reason,
        run::{Event, Park, Pause, PauseCause, Progress, State, Topic},
        workflow::{
            End,
            Outcome::{self, Clean, Opened, Passed, Pushed},
            Queue,
        },
    },
    engine::{Ack, Answer, Control, Denied, Error, Received, Verb},
    store::{event, job, job::Lease, job_control},
};
use chrono::TimeDelta;
use futures::future::join_all;
use uuid::Uuid;

use super::support::{TestEngine, advance, answer, assert_folds, assert_sound, news};

fn reason() -> Reason {
    "waiting for legal".parse().unwrap()
}

async fn control(test: &TestEngine, run: Uuid, verb: Verb) -> Result<Control, Error> {
    let done = test.engine.control(run, &verb, "pm@acme", &reason()).await;
    assert_sound(&test.engine).await;
    done
}

/// Applies a verb twice: the second time nothing changes.
async fn applies_once(test: &TestEngine, run: Uuid, verb: Verb) {
    assert_eq!(control(test, run, verb.clone()).await.unwrap(), Control::Applied);
    let before = test.snapshot().await;
    assert_eq!(control(test, run, verb).await.unwrap(), Control::Unchanged);
    assert_eq!(test.snapshot().await, before);
}

async fn denied(test: &TestEngine, run: Uuid, verb: Verb) -> Denied {
    let before = test.snapshot().await;
    let error = control(test, run, verb).await.unwrap_err();
    assert_eq!(test.snapshot().await, before, "a denied verb changed something");
    let Error::Denied(denied) = error else { panic!("{error}") };
    denied
}

async fn step(test: &TestEngine, queue: Queue, outcome: Outcome) {
    let lease = test.claim(queue).await;
    assert_eq!(test.engine.answer(&lease, "tester", answer(outcome)).await.unwrap(), Ack::Committed);
}

async fn park(test: &TestEngine, lease: &Lease) {
    let until = test.run(lease.run).await.now + TimeDelta::minutes(5);
    let park = Park::new("checks", vec![Topic::Checks], until);
    let parked = test.engine.park(lease, "tester", park, Progress::default()).await.unwrap();
    assert_eq!(parked, Ack::Committed);
}

async fn waiting(test: &TestEngine) -> Uuid {
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    park(test, &lease).await;
    run
}

/// A run that ended as blocked at its gate.
async fn blocked(test: &TestEngine) -> Uuid {
    let run = test.accept().await;
    let mut opened = answer(Opened);
    let head = "a".repeat(40).parse().unwrap();
    opened.progress = Progress { pull: Some(7), head: Some(head), ..Progress::default() };
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "tester", opened).await.unwrap();
    step(test, Queue::Github, Outcome::Stopped).await;
    run
}

#[tokio::test]
async fn no_claim_follows_an_acknowledged_pause() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    applies_once(&test, run, Verb::Pause).await;
    assert!(test.claim_all(Queue::Llm, 10).await.is_empty(), "a paused job was claimed");
    let row = event::after(test.pool(), run, 1, 10).await.unwrap().remove(0);
    assert_eq!((row.kind.as_str(), row.actor.as_str()), ("paused", "pm@acme"));
    applies_once(&test, run, Verb::Resume).await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!((lease.run, lease.turn, lease.attempt), (run, 1, 1));
    assert_eq!(test.event_kinds(run).await, ["started", "paused", "resumed"]);
}

#[tokio::test]
async fn the_answer_of_a_running_attempt_counts_while_the_run_is_paused() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    applies_once(&test, run, Verb::Pause).await;
    let renewed = job::renew(test.pool(), &[lease.job], &[lease.token], TestEngine::LEASE).await.unwrap();
    assert_eq!(renewed, [lease.token], "a running attempt may finish");
    let mut opened = answer(Opened);
    opened.progress = Progress { pull: Some(7), ..Progress::default() };
    assert_eq!(test.engine.answer(&lease, "tester", opened).await.unwrap(), Ack::Committed);
    let stored = test.run(run).await;
    assert_eq!(
        (stored.run.progress.pull, stored.run.step(), stored.run.state.as_str()),
        (Some(7), Some("gate"), "paused")
    );
    assert_eq!(test.query::<i64>("select count(*) from job").await, 0, "no new job is enqueued");
    assert_sound(&test.engine).await;
    assert_eq!(control(&test, run, Verb::Resume).await.unwrap(), Control::Applied);
    assert_eq!(test.claim(Queue::Github).await.step, "gate");
}

#[tokio::test]
async fn a_failed_attempt_of_a_paused_run_is_retried_after_the_resume() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(control(&test, run, Verb::Pause).await.unwrap(), Control::Applied);
    assert_eq!(test.engine.fail(&lease, "tester", "503", None).await.unwrap(), Ack::Committed);
    advance(test.pool(), Duration::from_secs(600)).await;
    assert!(test.claim_all(Queue::Llm, 10).await.is_empty());
    assert_sound(&test.engine).await;
    assert_eq!(control(&test, run, Verb::Resume).await.unwrap(), Control::Applied);
    assert_eq!(test.claim(Queue::Llm).await.attempt, 2);
}

#[tokio::test]
async fn signals_and_timers_do_not_wake_a_paused_run() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    applies_once(&test, run, Verb::Pause).await;
    assert_eq!(
        test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap(),
        Received::Stored { runs: 1 }
    );
    advance(test.pool(), Duration::from_secs(3600)).await;
    assert_eq!(test.engine.wake_due(100).await.unwrap(), 0);
    assert_eq!(test.query::<i64>("select count(*) from signal where taken_at is null").await, 1);
    assert_eq!(test.run(run).await.run.state.as_str(), "paused");
    applies_once(&test, run, Verb::Resume).await;
    assert_eq!(test.claim(Queue::Llm).await.turn, 2, "the step is enqueued afresh");
    assert_eq!(test.query::<i64>("select count(*) from signal where taken_at is null").await, 0);
}

#[tokio::test]
async fn a_step_that_parks_while_paused_leaves_its_signals_for_the_resume() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(control(&test, run, Verb::Pause).await.unwrap(), Control::Applied);
    assert_eq!(
        test.engine.receive_signal(&news(run, Topic::Checks, "d1")).await.unwrap(),
        Received::Stored { runs: 1 }
    );
    park(&test, &lease).await;
    assert_eq!(test.query::<i64>("select count(*) from signal where taken_at is null").await, 1);
    assert_eq!(test.query::<i64>("select count(*) from timer").await, 0);
    assert_sound(&test.engine).await;
    assert_eq!(control(&test, run, Verb::Resume).await.unwrap(), Control::Applied);
    assert_eq!(test.claim(Queue::Llm).await.step, "generate");
}

#[tokio::test]
async fn a_cancel_fences_off_a_running_attempt() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    applies_once(&test, run, Verb::Cancel).await;
    let renewed = job::renew(test.pool(), &[lease.job], &[lease.token], TestEngine::LEASE).await.unwrap();
    assert!(renewed.is_empty(), "the failed renewal stops the worker");
    let before = test.snapshot().await;
    assert_eq!(test.engine.answer(&lease, "tester", answer(Opened)).await.unwrap(), Ack::Fenced);
    assert_eq!(test.engine.halt(&lease, "tester", PauseCause::Budget, "r").await.unwrap(), Ack::Fenced);
    assert_eq!(test.snapshot().await, before);
    let State::Ended { name, end, reason } = test.run(run).await.run.state else {
        panic!("it has not ended")
    };
    assert_eq!((name.as_str(), end, reason.as_str()), ("cancelled", End::Cancelled, "waiting for legal"));
    assert_eq!(denied(&test, run, Verb::Pause).await, Denied::Ended(End::Cancelled));
}

#[tokio::test]
async fn a_cancel_ends_a_run_whose_workflow_is_unreadable() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    test.edit_workflow(run, "run     = \"gate\"", "run     = \"lint\"").await;
    assert!(matches!(control_unchecked(&test, run, Verb::RunNow).await, Err(Error::Workflow { .. })));
    assert_eq!(control_unchecked(&test, run, Verb::Cancel).await.unwrap(), Control::Applied);
    assert_eq!(test.query::<i64>("select count(*) from timer").await, 0);
    assert!(matches!(control_unchecked(&test, run, Verb::Retry(None)).await, Err(Error::Workflow { .. })));
}

async fn control_unchecked(test: &TestEngine, run: Uuid, verb: Verb) -> Result<Control, Error> {
    test.engine.control(run, &verb, "pm@acme", &reason()).await
}

#[tokio::test]
async fn run_now_ends_a_wait_and_a_backoff() {
    let test = TestEngine::new().await;
    let run = waiting(&test).await;
    applies_once(&test, run, Verb::RunNow).await;
    let lease = test.claim(Queue::Llm).await;
    let held = denied(&test, run, Verb::RunNow).await;
    assert_eq!(held.to_string(), "a worker is running `generate`; wait for its answer, or cancel the run");
    let hour = Some(Duration::from_secs(3600));
    assert_eq!(test.engine.fail(&lease, "tester", "503", hour).await.unwrap(), Ack::Committed);
    assert!(test.claim_all(Queue::Llm, 10).await.is_empty());
    applies_once(&test, run, Verb::RunNow).await;
    assert_eq!(test.claim(Queue::Llm).await.attempt, 2);
    let other = test.accept().await;
    assert_eq!(control(&test, other, Verb::Pause).await.unwrap(), Control::Applied);
    assert_eq!(denied(&test, other, Verb::RunNow).await, Denied::Paused);
}

#[tokio::test]
async fn a_skip_needs_an_idle_step_and_one_of_its_outcomes() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(denied(&test, run, Verb::Skip(Opened)).await, Denied::Running("generate".to_owned()));
    let head = Some("a".repeat(40).parse().unwrap());
    let progress = Progress { pull: Some(7), head, ..Progress::default() };
    let opened = Answer { progress, ..answer(Opened) };
    test.engine.answer(&lease, "tester", opened).await.unwrap();
    let strange = control(&test, run, Verb::Skip(Pushed)).await.unwrap_err();
    assert_eq!(
        strange.to_string(),
        "`gate` never answers `pushed`; it answers `closed`, `passed`, `blocked`, `stopped`"
    );
    assert_eq!(control(&test, run, Verb::Skip(Passed)).await.unwrap(), Control::Applied);
    assert_eq!(control(&test, run, Verb::Skip(Clean)).await.unwrap(), Control::Applied);
    assert!(matches!(
        control(&test, run, Verb::Skip(Outcome::Cleared)).await,
        Err(Error::Refused(refused)) if refused.to_string().contains("nothing is merged that was not judged")
    ));
    assert_eq!(test.claim(Queue::Github).await.step, "verdict");
    assert_eq!(test.event_kinds(run).await, ["started", "answered", "skipped", "skipped"]);
}

#[tokio::test]
async fn a_retry_goes_back_to_where_the_run_ended_and_keeps_its_progress() {
    let test = TestEngine::new().await;
    let run = blocked(&test).await;
    applies_once(&test, run, Verb::Retry(None)).await;
    let stored = test.run(run).await;
    assert_eq!((stored.run.step(), stored.run.progress.pull), (Some("gate"), Some(7)));
    assert!(test.query::<bool>("select ended_at is null and ended_as is null from run").await);
    let lease = test.claim(Queue::Github).await;
    let held = denied(&test, run, Verb::Retry(Some("review".to_owned()))).await;
    assert_eq!(held, Denied::Running("gate".to_owned()));
    test.engine.answer(&lease, "tester", answer(Passed)).await.unwrap();
    applies_once(&test, run, Verb::Retry(Some("gate".to_owned()))).await;
    let begun = denied(&test, run, Verb::Retry(Some("generate".to_owned()))).await;
    assert_eq!(begun, Denied::HasCommits("generate".to_owned()));
    let nowhere = control(&test, run, Verb::Retry(Some("deploy".to_owned()))).await.unwrap_err();
    assert!(
        nowhere.to_string().starts_with("workflow `requirement` has no step `deploy`; it has "),
        "{nowhere}"
    );
}

#[tokio::test]
async fn a_run_that_succeeded_is_neither_retried_nor_forked() {
    let test = TestEngine::new().await;
    let run = blocked(&test).await;
    control(&test, run, Verb::Retry(None)).await.unwrap();
    step(&test, Queue::Github, Passed).await;
    step(&test, Queue::Llm, Clean).await;
    step(&test, Queue::Github, Outcome::Cleared).await;
    step(&test, Queue::Github, Outcome::Merged).await;
    let refused = control(&test, run, Verb::Retry(None)).await.unwrap_err();
    assert_eq!(refused.to_string(), "the run has succeeded; there is nothing to retry");
    let refused = test.engine.fork(run, "review", "pm@acme", &reason()).await.unwrap_err();
    assert!(matches!(refused, Error::Denied(Denied::Merged)), "{refused}");
}

#[tokio::test]
async fn a_fork_takes_over_the_branch_and_is_its_only_live_run() {
    let test = TestEngine::new().await;
    let run = blocked(&test).await;
    let fork = test.engine.fork(run, "review", "pm@acme", &reason()).await.unwrap();
    assert_sound(&test.engine).await;
    let (old, new) = (test.run(run).await, test.run(fork).await);
    assert_eq!(new.spec.branch, old.spec.branch);
    assert_eq!((new.spec.parent, new.spec.subject), (Some(run), old.spec.subject));
    assert_eq!((new.run.step(), &new.run.progress), (Some("review"), &old.run.progress));
    assert_eq!(test.event_kinds(fork).await, ["forked"]);
    assert!(matches!(
        test.engine.fork(run, "gate", "pm@acme", &reason()).await,
        Err(Error::Denied(Denied::BranchInUse(other))) if other == fork
    ));
    assert_eq!(denied(&test, run, Verb::Retry(None)).await, Denied::BranchInUse(fork));
    assert_eq!(control(&test, fork, Verb::Cancel).await.unwrap(), Control::Applied);
    assert_eq!(control(&test, run, Verb::Retry(None)).await.unwrap(), Control::Applied);
    let fresh = test.engine.fork(fork, "generate", "pm@acme", &reason()).await.unwrap();
    let stored = test.run(fresh).await;
    assert_eq!(stored.spec.branch, format!("aspora/wealth/{fresh}"));
    assert_eq!(stored.run.progress, Progress::default());
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_fork_needs_an_ended_run_and_a_later_step_its_pull_request() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let refused = test.engine.fork(run, "generate", "pm@acme", &reason()).await.unwrap_err();
    assert_eq!(refused.to_string(), "the run has not ended; cancel it first");
    control(&test, run, Verb::Cancel).await.unwrap();
    let refused = test.engine.fork(run, "review", "pm@acme", &reason()).await.unwrap_err();
    assert_eq!(refused.to_string(), "the run has no pull request yet; fork it from `generate`");
    let refused = test.engine.fork(run, "deploy", "pm@acme", &reason()).await.unwrap_err();
    assert!(refused.to_string().contains("has no step `deploy`"), "{refused}");
    let nobody = test.engine.fork(Uuid::nil(), "review", "pm@acme", &reason()).await.unwrap_err();
    assert!(matches!(nobody, Error::NoRun(_)));
}

#[tokio::test]
async fn of_many_forks_of_one_branch_at_once_one_succeeds() {
    let test = TestEngine::new().await;
    let run = blocked(&test).await;
    let why = reason();
    let forks = join_all((0..6).map(|_| test.engine.fork(run, "review", "pm@acme", &why))).await;
    assert_eq!(forks.iter().filter(|fork| fork.is_ok()).count(), 1, "{forks:?}");
    assert_eq!(test.query::<i64>("select count(*) from run where status <> 'ended'").await, 1);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_halted_attempt_pauses_the_run_and_does_not_count() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    for round in 1..=7 {
        let lease = test.claim(Queue::Llm).await;
        let why = "the budget of 5 dollars is used up";
        let halted = test.engine.halt(&lease, "worker", PauseCause::Budget, why).await.unwrap();
        assert_eq!(halted, Ack::Committed, "round {round}: a halt uses up no attempt");
        assert!(test.claim_all(Queue::Llm, 10).await.is_empty());
        let State::Paused(Pause { by, cause, reason, queued, .. }) = test.run(run).await.run.state else {
            panic!("it has not ended")
        };
        assert_eq!((by.as_str(), cause, reason.as_str(), queued), ("worker", PauseCause::Budget, why, true));
        assert_sound(&test.engine).await;
        assert_eq!(control(&test, run, Verb::Resume).await.unwrap(), Control::Applied);
    }
    step(&test, Queue::Llm, Opened).await;
}

#[tokio::test]
async fn a_halt_of_a_run_that_was_paused_meanwhile_still_gives_the_job_back() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(control(&test, run, Verb::Pause).await.unwrap(), Control::Applied);
    assert_eq!(test.engine.halt(&lease, "worker", PauseCause::Breaker, "r").await.unwrap(), Ack::Committed);
    assert_eq!(test.event_kinds(run).await, ["started", "paused"]);
    assert!(test.query::<bool>("select lease_token is null and paused from job").await);
    assert_sound(&test.engine).await;
}

async fn letters(test: &TestEngine) -> Vec<i64> {
    let filter = aspora::store::dead_letter::Filter::default();
    let rows = aspora::store::dead_letter::list(test.pool(), &filter, None, 100).await.unwrap();
    rows.into_iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn a_dead_letter_is_redriven_once() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.exhaust(&lease, "tester", "the model is away").await.unwrap();
    let letter = letters(&test).await[0];
    assert_eq!(test.engine.redrive(letter, "pm@acme", &reason()).await.unwrap(), Control::Applied);
    assert_sound(&test.engine).await;
    let stored = test.run(run).await;
    assert_eq!((stored.run.step(), stored.run.visits["generate"]), (Some("generate"), 2));
    let before = test.snapshot().await;
    assert_eq!(test.engine.redrive(letter, "pm@acme", &reason()).await.unwrap(), Control::Unchanged);
    assert_eq!(test.snapshot().await, before);
    assert!(letters(&test).await.is_empty());
    assert_eq!(test.query::<String>("select redriven_by from dead_letter").await, "pm@acme");
    let missing = test.engine.redrive(letter + 1, "pm@acme", &reason()).await.unwrap_err();
    assert!(matches!(missing, Error::NoLetter(_)));
    let again = test.claim(Queue::Llm).await;
    test.engine.exhaust(&again, "tester", "the model is away").await.unwrap();
    assert_eq!(letters(&test).await.len(), 1, "a second failure is a letter of its own");
    control(&test, run, Verb::Retry(None)).await.unwrap();
    assert!(letters(&test).await.is_empty(), "a retry settles the letter too");
}

#[tokio::test]
async fn a_paused_job_whose_worker_died_waits_for_the_resume() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    test.claim(Queue::Llm).await;
    assert_eq!(control(&test, run, Verb::Pause).await.unwrap(), Control::Applied);
    advance(test.pool(), Duration::from_secs(600)).await;
    assert!(test.claim_all(Queue::Llm, 10).await.is_empty());
    assert_eq!(control(&test, run, Verb::Resume).await.unwrap(), Control::Applied);
    assert_eq!(test.claim(Queue::Llm).await.attempt, 2);
}

/// An answer races a pause: the first to lock the job goes first, and the other sees its result.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn controls_and_answers_at_once_neither_deadlock_nor_lose_a_run() {
    let test = TestEngine::new().await;
    for _ in 0..6 {
        let run = test.accept().await;
        let lease = test.claim(Queue::Llm).await;
        let (engine, why) = (&test.engine, reason());
        let verbs = [Verb::Pause, Verb::Resume, Verb::RunNow, Verb::Pause, Verb::Resume, Verb::Retry(None)];
        let controls = verbs.iter().cycle().take(24).map(|verb| engine.control(run, verb, "pm", &why));
        let (answered, controlled) =
            tokio::join!(engine.answer(&lease, "tester", answer(Opened)), join_all(controls));
        assert_eq!(answered.unwrap(), Ack::Committed);
        for error in controlled.into_iter().filter_map(Result::err) {
            assert!(matches!(error, Error::Denied(_)), "{error}");
        }
        assert_folds(engine, run).await;
        control_unchecked(&test, run, Verb::Cancel).await.unwrap();
        assert_sound(engine).await;
    }
    assert_eq!(test.query::<i64>("select count(*) from job").await, 0);
}

/// A job that is enqueued before the run is locked is itself locked before the run.
#[tokio::test]
async fn a_control_locks_the_job_before_the_run() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let mut answering = test.pool().begin().await.unwrap();
    assert!(job_control::lock(&mut answering, run).await.unwrap().is_some());
    let (engine, why) = (test.engine.clone(), reason());
    let pausing = tokio::spawn(async move { engine.pause(run, "pm", &why).await });
    super::support::eventually("the pause waits for the job", async || {
        test.query::<i64>("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'").await > 0
    })
    .await;
    // The holder of the job can still lock the run: the pause did not lock the run first.
    sqlx::query("select 1 from run where id = $1 for update nowait")
        .bind(run)
        .execute(&mut *answering)
        .await
        .unwrap();
    answering.rollback().await.unwrap();
    assert_eq!(pausing.await.unwrap().unwrap(), Control::Applied);
    assert_eq!(test.engine.answer(&lease, "tester", answer(Opened)).await.unwrap(), Ack::Committed);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn every_control_is_in_the_history_with_its_actor_and_reason() {
    let test = TestEngine::new().await;
    let run = blocked(&test).await;
    control(&test, run, Verb::Retry(None)).await.unwrap();
    let before = test.run(run).await.version;
    for verb in
        [Verb::Pause, Verb::Resume, Verb::Skip(Passed), Verb::Retry(Some("gate".to_owned())), Verb::Cancel]
    {
        assert_eq!(control(&test, run, verb).await.unwrap(), Control::Applied);
    }
    let events = event::after(test.pool(), run, before, 100).await.unwrap();
    for row in &events {
        assert_eq!(row.actor, "pm@acme", "{row:?}");
        let body = serde_json::to_value(&row.body.0).unwrap();
        assert_eq!(body["reason"], "waiting for legal", "{row:?}");
    }
    assert!(matches!(events[3].body.0, Event::RetriedFrom { .. }));
    let kinds: Vec<_> = events.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["paused", "resumed", "skipped", "retried_from", "cancelled"]);
}

#[tokio::test]
async fn an_order_that_is_not_permitted_is_recorded_where_no_attempt_can_be_disturbed() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let order = async || {
        let mut tx = test.pool().begin().await.unwrap();
        test.engine.not_permitted_in(&mut tx, run, "reader", "Take over", "may not write").await.unwrap();
        tx.commit().await.unwrap();
    };
    order().await;
    assert_eq!(test.event_kinds(run).await, ["started", "not_permitted"]);
    let lease = test.claim(Queue::Llm).await;
    order().await;
    let acked = test.engine.answer(&lease, "tester", answer(Outcome::Closed)).await.unwrap();
    assert_eq!(acked, Ack::Committed, "the attempt was not disturbed");
    order().await;
    assert_eq!(test.event_kinds(run).await, ["started", "not_permitted", "answered"]);
    assert_sound(&test.engine).await;
}
