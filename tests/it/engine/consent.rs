//! Dependencies that a run asks about: the question is stored with the wait, and the answer with the move that it causes, or
//! not at all.

use aspora::{
    core::{
        consent::{Consent, Withheld, WithheldBecause},
        dependency::{DependencyList, compare},
        run::{Awaited, Park, Progress, State},
        workflow::Queue,
    },
    engine::{Ack, Amendment, ConsentAsked, ConsentSaid, Control, Denied, Error},
    store::{consent, job::Lease},
};
use chrono::TimeDelta;
use futures::future::join_all;
use uuid::Uuid;

use super::support::{TestEngine, advance, assert_sound};

/// What names the set whose files have this content.
fn digest(content: char) -> String {
    content.to_string().repeat(64)
}

async fn ask_because(test: &TestEngine, lease: &Lease, content: char, why: WithheldBecause) -> Ack {
    let until = test.run(lease.run).await.now + TimeDelta::days(7);
    let park = Park { awaited: Awaited::Keepers, ..Park::new("a yes or no", vec![], until) };
    let list = DependencyList::new(vec![compare("requirements.txt", None, Some("a==1\nb==2\n"))], []);
    let withheld = Withheld { digest: digest(content), list, why };
    let asked = ConsentAsked { withheld, head: None, edition: 0, park, progress: Progress::default() };
    test.engine.ask_consent(lease, "tester", &asked).await.unwrap()
}

async fn ask(test: &TestEngine, lease: &Lease, content: char) -> Ack {
    ask_because(test, lease, content, WithheldBecause::Unanswered).await
}

/// A run that asks about the set `a`.
async fn asking(test: &TestEngine) -> Uuid {
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(ask(test, &lease, 'a').await, Ack::Committed);
    run
}

async fn say(test: &TestEngine, run: Uuid, content: char, consent: Consent) -> Result<Control, Error> {
    let digest = digest(content);
    let said = ConsentSaid { digest: &digest, consent, login: "asha", reason: None };
    test.engine.consent(run, said, "ada").await
}

async fn is_waiting(test: &TestEngine, run: Uuid) -> bool {
    matches!(test.run(run).await.run.state, State::Waiting { .. })
}

/// Wakes the run by its timer, for the next look of its step.
async fn look_again(test: &TestEngine) -> Lease {
    advance(test.pool(), TimeDelta::days(8).to_std().unwrap()).await;
    assert_eq!(test.engine.wake_due(10).await.unwrap(), 1);
    test.claim(Queue::Llm).await
}

#[tokio::test]
async fn a_set_is_asked_about_once_and_answered_once() {
    let test = TestEngine::new().await;
    let run = asking(&test).await;
    assert_eq!(test.event_kinds(run).await, ["started", "parked", "consent_asked"]);
    let lease = look_again(&test).await;
    assert_eq!(ask(&test, &lease, 'a').await, Ack::Committed);
    assert_eq!(test.query::<i64>("select count(*) from consent").await, 1, "it is open already");
    let said = join_all((0..4).map(|_| say(&test, run, 'a', Consent::Yes))).await;
    let applied = said.iter().filter(|done| matches!(done, Ok(Control::Applied))).count();
    assert_eq!(applied, 1, "{said:?}");
    assert!(said.iter().all(Result::is_ok), "{said:?}");
    assert_eq!(test.query::<i64>("select count(*) from audit where act = 'run.dependencies'").await, 1);
    assert!(!is_waiting(&test, run).await, "it goes on at once");
    let other = say(&test, run, 'a', Consent::No).await;
    assert!(matches!(other, Err(Error::Denied(Denied::ConsentGiven(Consent::Yes)))), "{other:?}");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn another_set_takes_the_place_of_one_that_nobody_answered() {
    let test = TestEngine::new().await;
    let run = asking(&test).await;
    let lease = look_again(&test).await;
    assert_eq!(ask(&test, &lease, 'b').await, Ack::Committed);
    let stale = say(&test, run, 'a', Consent::Yes).await;
    assert!(matches!(stale, Err(Error::Denied(Denied::NoConsent))), "{stale:?}");
    let rows = consent::of_run(test.pool(), run).await.unwrap();
    assert_eq!(rows.iter().map(consent::Row::is_open).collect::<Vec<_>>(), [false, true]);
    assert_eq!(say(&test, run, 'b', Consent::No).await.unwrap(), Control::Applied);
    let said = consent::newest_of_set(test.pool(), run, &digest('b')).await.unwrap().unwrap();
    assert_eq!((said.answer(), said.forge_login.as_deref()), (Some(Consent::No), Some("asha")));
    assert!(consent::newest_of_set(test.pool(), run, &digest('a')).await.unwrap().is_none());
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_consent_that_comes_while_the_step_looks_ends_its_wait_and_one_that_does_not_count_asks_again() {
    let test = TestEngine::new().await;
    let run = asking(&test).await;
    let lease = look_again(&test).await;
    assert_eq!(say(&test, run, 'a', Consent::Yes).await.unwrap(), Control::Applied);
    assert_eq!(ask(&test, &lease, 'a').await, Ack::Committed);
    assert!(!is_waiting(&test, run).await, "no answer is lost");
    let row = consent::last(test.pool(), run).await.unwrap().unwrap();
    let doubted = WithheldBecause::Doubted { doubt: "asha may not write".to_owned(), consent: row.id };
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(ask_because(&test, &lease, 'a', doubted).await, Ack::Committed);
    assert!(is_waiting(&test, run).await);
    assert_eq!(consent::of_run(test.pool(), run).await.unwrap().len(), 2);
    assert_eq!(say(&test, run, 'a', Consent::No).await.unwrap(), Control::Applied);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn nobody_is_asked_about_what_was_written_for_an_old_text() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let requirement = test.run(run).await.spec.subject.id();
    let mut tx = test.pool().begin().await.unwrap();
    let (new, why) =
        (Amendment { title: None, body: Some("Without packages.") }, "better known".parse().unwrap());
    test.engine.amend_in(&mut tx, requirement, new, "ada", &why).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(ask(&test, &lease, 'a').await, Ack::Committed);
    assert!(!is_waiting(&test, run).await, "the step runs again, by the new text");
    assert_eq!(test.query::<i64>("select count(*) from consent").await, 0);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_asks_nothing() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lost = test.claim(Queue::Llm).await;
    advance(test.pool(), TestEngine::LEASE * 2).await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(ask(&test, &lost, 'a').await, Ack::Fenced);
    assert_eq!(test.query::<i64>("select count(*) from consent").await, 0);
    assert_eq!(ask(&test, &lease, 'a').await, Ack::Committed);
    // The answer of the database was lost, and the worker says it again.
    assert_eq!(ask(&test, &lease, 'a').await, Ack::Fenced);
    assert_eq!(test.event_kinds(run).await, ["started", "parked", "consent_asked"]);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_consent_that_is_not_committed_is_none_and_what_has_ended_takes_none() {
    let test = TestEngine::new().await;
    let run = asking(&test).await;
    let before = test.snapshot().await;
    let digest = digest('a');
    let said = ConsentSaid { digest: &digest, consent: Consent::Yes, login: "asha", reason: None };
    let mut tx = test.pool().begin().await.unwrap();
    assert_eq!(test.engine.consent_in(&mut tx, run, said, "ada").await.unwrap(), Control::Applied);
    drop(tx);
    assert!(is_waiting(&test, run).await);
    assert_eq!(test.snapshot().await, before);
    let why = "not now".parse().unwrap();
    test.engine.pause(run, "ada", &why).await.unwrap();
    assert_eq!(say(&test, run, 'a', Consent::Yes).await.unwrap(), Control::Applied);
    assert!(test.claim_all(Queue::Llm, 1).await.is_empty(), "only a resume ends a pause");
    test.engine.cancel(run, "ada", &why).await.unwrap();
    let late = say(&test, run, 'a', Consent::No).await;
    assert!(matches!(late, Err(Error::Denied(Denied::Ended(_)))), "{late:?}");
    assert_sound(&test.engine).await;
}
