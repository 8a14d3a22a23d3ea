//! Questions of a run and their answers, and amendments: stored with the move of the run that they cause, or not at all.

use aspora::{
    core::{
        question::Answers,
        run::{Awaited, Park, State},
        workflow::{Outcome, Queue},
    },
    engine::{Ack, Amendment, Asked, Control, Denied, Error},
    store::{self, amendment, job::Lease, question},
};
use chrono::TimeDelta;
use futures::future::join_all;
use uuid::Uuid;

use super::support::{TestEngine, advance, answer, assert_sound};

async fn ask(test: &TestEngine, lease: &Lease, edition: i32) -> Ack {
    let until = test.run(lease.run).await.now + TimeDelta::days(7);
    let park = Park { awaited: Awaited::Requester, ..Park::new("pm to answer 2 questions", vec![], until) };
    let questions = vec!["Which limit?".to_owned(), "Of whom?".to_owned()];
    test.engine.ask(lease, "tester", &Asked { questions, park, edition }).await.unwrap()
}

/// A run that waits for the answers to its first round.
async fn asking(test: &TestEngine) -> Uuid {
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(ask(test, &lease, 0).await, Ack::Committed);
    run
}

fn all(text: &str) -> Answers {
    Answers::new(Some(text), &[]).unwrap()
}

async fn say(test: &TestEngine, run: Uuid, text: &str) -> Result<Control, Error> {
    test.engine.answer_questions(run, "ada", None, &all(text)).await
}

async fn amend(test: &TestEngine, run: Uuid, body: &str) -> Result<Control, Error> {
    let requirement = test.run(run).await.spec.subject.id();
    let mut tx = test.pool().begin().await.unwrap();
    let new = Amendment { title: None, body: Some(body) };
    let done =
        test.engine.amend_in(&mut tx, requirement, new, "ada", &"better known".parse().unwrap()).await?;
    tx.commit().await.unwrap();
    Ok(done)
}

async fn is_waiting(test: &TestEngine, run: Uuid) -> bool {
    matches!(test.run(run).await.run.state, State::Waiting { .. })
}

#[tokio::test]
async fn j19_questions_are_stored_with_the_wait_and_answered_once() {
    let test = TestEngine::new().await;
    let run = asking(&test).await;
    assert_eq!(test.event_kinds(run).await, ["started", "parked", "asked"]);
    assert_eq!(test.run(run).await.run.asked, 1);
    let said = join_all((0..4).map(|_| say(&test, run, "5 %"))).await;
    let applied = said.iter().filter(|done| matches!(done, Ok(Control::Applied))).count();
    let unchanged = said.iter().filter(|done| matches!(done, Ok(Control::Unchanged))).count();
    assert_eq!((applied, unchanged), (1, 3), "{said:?}");
    assert_eq!(test.event_kinds(run).await, ["started", "parked", "asked", "question_answered"]);
    assert_eq!(test.query::<i64>("select count(*) from audit where act = 'run.answer'").await, 1);
    let other = say(&test, run, "6 %").await;
    assert!(matches!(other, Err(Error::Denied(Denied::NoQuestion))), "{other:?}");
    assert_eq!(test.claim(Queue::Llm).await.turn, 2, "it goes on at once");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn answers_that_do_not_fit_change_nothing() {
    let test = TestEngine::new().await;
    let run = asking(&test).await;
    let before = test.snapshot().await;
    let one = Answers::new(None, &[(1, "5 %")]).unwrap();
    let refused = test.engine.answer_questions(run, "ada", None, &one).await;
    assert!(matches!(refused, Err(Error::Answers(_))), "{refused:?}");
    let stale = test.engine.answer_questions(run, "ada", Some(2), &all("5 %")).await;
    assert!(matches!(stale, Err(Error::Denied(Denied::NoQuestion))), "{stale:?}");
    assert_eq!(test.snapshot().await, before);
    let both = Answers::new(None, &[(2, "all"), (1, "5 %")]).unwrap();
    assert_eq!(test.engine.answer_questions(run, "ada", Some(1), &both).await.unwrap(), Control::Applied);
    let round = question::last(test.pool(), run).await.unwrap().unwrap();
    assert_eq!(round.answers.unwrap(), ["5 %", "all"]);
    let never = test.accept().await;
    assert!(matches!(say(&test, never, "x").await, Err(Error::Denied(Denied::NoQuestion))));
}

#[tokio::test]
async fn an_answer_that_comes_while_the_step_runs_wakes_its_wait() {
    let test = TestEngine::new().await;
    let run = asking(&test).await;
    advance(test.pool(), TimeDelta::days(8).to_std().unwrap()).await;
    assert_eq!(test.engine.wake_due(10).await.unwrap(), 1);
    // The step looks again, finds no answer, and is about to wait when the answer comes.
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(say(&test, run, "5 %").await.unwrap(), Control::Applied);
    let park = Park { awaited: Awaited::Requester, ..Park::new("answers", vec![], test.run(run).await.now) };
    let parked =
        test.engine.park(&lease, "tester", park, aspora::core::run::Progress::default()).await.unwrap();
    assert_eq!(parked, Ack::Committed);
    assert!(!is_waiting(&test, run).await, "no answer is lost");
    assert_eq!(test.claim(Queue::Llm).await.turn, 3);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_asks_nothing() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lost = test.claim(Queue::Llm).await;
    advance(test.pool(), TestEngine::LEASE * 2).await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(ask(&test, &lost, 0).await, Ack::Fenced);
    assert_eq!(test.query::<i64>("select count(*) from question_round").await, 0);
    assert_eq!(ask(&test, &lease, 0).await, Ack::Committed);
    // The answer of the database was lost, and the worker says it again.
    assert_eq!(ask(&test, &lease, 0).await, Ack::Fenced);
    assert_eq!(test.event_kinds(run).await, ["started", "parked", "asked"]);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn an_answer_that_is_not_committed_is_no_answer() {
    let test = TestEngine::new().await;
    let run = asking(&test).await;
    let before = test.snapshot().await;
    let mut tx = test.pool().begin().await.unwrap();
    let done = test.engine.answer_questions_in(&mut tx, run, "ada", None, &all("5 %")).await.unwrap();
    assert_eq!(done, Control::Applied);
    drop(tx);
    assert!(is_waiting(&test, run).await);
    assert_eq!(test.snapshot().await, before);
    assert!(question::last(test.pool(), run).await.unwrap().unwrap().is_open());
    assert_eq!(say(&test, run, "5 %").await.unwrap(), Control::Applied);
}

#[tokio::test]
async fn a_paused_run_keeps_its_answers_for_the_resume() {
    let test = TestEngine::new().await;
    let run = asking(&test).await;
    let why = "hold on".parse().unwrap();
    test.engine.pause(run, "ada", &why).await.unwrap();
    assert_eq!(say(&test, run, "5 %").await.unwrap(), Control::Applied);
    assert!(test.claim_all(Queue::Llm, 1).await.is_empty());
    test.engine.resume(run, "ada", &why).await.unwrap();
    assert_eq!(test.claim(Queue::Llm).await.turn, 2);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn an_amendment_withdraws_the_questions_and_wakes_the_run() {
    let test = TestEngine::new().await;
    let run = asking(&test).await;
    assert_eq!(amend(&test, run, "For portfolios, at 5 %.").await.unwrap(), Control::Applied);
    assert_eq!(amend(&test, run, "For portfolios, at 5 %.").await.unwrap(), Control::Unchanged);
    assert_eq!(test.event_kinds(run).await, ["started", "parked", "asked", "amended"]);
    let late = say(&test, run, "6 %").await;
    assert!(matches!(late, Err(Error::Denied(Denied::NoQuestion))), "{late:?}");
    let requirement = test.run(run).await.spec.subject.id();
    let text = amendment::text(test.pool(), requirement).await.unwrap().unwrap();
    assert_eq!((text.body.as_str(), text.edition), ("For portfolios, at 5 %.", 1));
    let rows = amendment::list(test.pool(), requirement).await.unwrap();
    assert_eq!((rows.len(), rows[0].body_before.as_str()), (1, "For portfolios."));
    let lease = test.claim(Queue::Llm).await;
    // It was asked about the text before, while that was amended once more.
    assert_eq!(amend(&test, run, "At 3 %.").await.unwrap(), Control::Applied);
    assert_eq!(ask(&test, &lease, 1).await, Ack::Committed);
    assert!(!is_waiting(&test, run).await, "nobody is asked about an old text");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn an_amendment_of_what_has_ended_or_is_invalid_changes_nothing() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let invalid = amend(&test, run, " ").await;
    assert!(matches!(&invalid, Err(Error::Invalid(wrong)) if wrong[0].field == "body"), "{invalid:?}");
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "tester", answer(Outcome::Declined)).await.unwrap();
    let over = amend(&test, run, "Another text.").await;
    assert!(matches!(over, Err(Error::Denied(Denied::Over))), "{over:?}");
    let requirement = test.run(run).await.spec.subject.id();
    assert_eq!(amendment::text(test.pool(), requirement).await.unwrap().unwrap().edition, 0);
    let nobody = store::amendment::newest(test.pool(), Uuid::now_v7()).await.unwrap();
    assert_eq!(nobody, (0, None));
}

#[tokio::test]
async fn a_requirement_is_cancelled_whatever_its_run_waits_for() {
    let test = TestEngine::new().await;
    let run = asking(&test).await;
    let (requirement, why) = (test.run(run).await.spec.subject.id(), "not now".parse().unwrap());
    for expected in [Control::Applied, Control::Unchanged] {
        let mut tx = test.pool().begin().await.unwrap();
        let done = test.engine.cancel_requirement_in(&mut tx, requirement, "ada", &why).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(done, expected);
    }
    let late = say(&test, run, "5 %").await;
    assert!(matches!(late, Err(Error::Denied(Denied::NoQuestion))), "{late:?}");
    assert_eq!(test.query::<i64>("select count(*) from timer").await, 0);
    assert_sound(&test.engine).await;
}
