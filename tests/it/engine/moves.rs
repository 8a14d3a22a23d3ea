//! Accepting requirements and answering steps: all or nothing, once, and only under the lease.

use aspora::{
    core::{
        requirement::Requirement,
        run::{Event, Park, Progress, State, Topic},
        workflow::{
            End,
            Outcome::{Clean, Cleared, Findings, Merged, Opened, Passed, Pushed},
            Queue,
        },
    },
    engine::{Ack, Error},
    store::{self, event, job::Lease},
};
use sqlx::Connection as _;

use super::support::{TestEngine, advance, answer, assert_folds, assert_sound};

fn requirement(product: &str, priority: u8) -> Requirement {
    Requirement::new(product, "Add a risk checker", "For portfolios.", priority).unwrap()
}

const COUNT_ALL: &str = "select (select count(*) from requirement) + (select count(*) from run)
    + (select count(*) from event) + (select count(*) from job)";

#[tokio::test]
async fn an_accepted_requirement_has_a_run_a_first_event_and_one_job() {
    let test = TestEngine::new().await;
    let accepted = test.engine.accept(&requirement("wealth", 2), "pm@acme").await.unwrap();

    assert_eq!(test.query::<i64>(COUNT_ALL).await, 4);
    let row = store::requirement::get(test.pool(), accepted.requirement).await.unwrap().unwrap();
    assert_eq!((row.run_id, row.requested_by.as_deref(), row.priority), (accepted.run, Some("pm@acme"), 2));
    let stored = test.run(accepted.run).await;
    assert_eq!((stored.version, stored.run.step(), stored.run.turn), (1, Some("generate"), 1));
    assert_eq!(stored.spec.branch, format!("aspora/wealth/{}", accepted.run));
    let events = event::after(test.pool(), accepted.run, 0, 10).await.unwrap();
    assert_eq!(
        (events[0].body.0.clone(), events[0].actor.as_str()),
        (Event::Started { progress: Progress::default() }, "pm@acme")
    );
    let lease = test.claim(Queue::Llm).await;
    assert_eq!((lease.run, lease.turn, lease.attempt, lease.most), (accepted.run, 1, 1, 5));
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_requirement_for_an_unknown_product_stores_nothing() {
    let test = TestEngine::new().await;
    let refused = test.engine.accept(&requirement("pensions", 3), "pm").await.unwrap_err();
    assert!(matches!(refused, Error::NoProduct(name) if name == "pensions"));
    assert_eq!(test.query::<i64>(COUNT_ALL).await, 0);
}

#[tokio::test]
async fn accepting_a_requirement_is_all_or_nothing() {
    let test = TestEngine::new().await;
    let mut connection = test.pool().acquire().await.unwrap();
    let mut tx = connection.begin().await.unwrap();
    test.engine.accept_in(&mut tx, &requirement("wealth", 3), "pm").await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(test.query::<i64>(COUNT_ALL).await, 0, "the caller's transaction was rolled back");

    test.execute("alter table job add constraint broken check (priority <> 1)").await;
    let failed = test.engine.accept(&requirement("wealth", 1), "pm").await.unwrap_err();
    assert!(matches!(failed, Error::Store(_)), "{failed}");
    assert_eq!(test.query::<i64>(COUNT_ALL).await, 0, "the last of the four statements failed");
}

#[tokio::test]
async fn an_answer_moves_the_run_and_enqueues_the_next_step() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let mut opened = answer(Opened);
    opened.progress = Progress { pull: Some(7), ..Progress::default() };

    assert_eq!(test.engine.answer(&lease, "tester", opened).await.unwrap(), Ack::Committed);

    assert_eq!(test.event_kinds(run).await, ["started", "answered"]);
    assert_eq!(test.query::<String>("select ended_as from attempt_log").await, "answered");
    assert_eq!(test.query::<i64>("select pull from run").await, 7);
    let next = test.claim(Queue::Github).await;
    assert_eq!((next.step.as_str(), next.turn, next.attempt, next.most), ("gate", 2, 1, 8));
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn the_history_folds_after_every_step() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let path = [
        (Queue::Llm, Opened),
        (Queue::Github, Passed),
        (Queue::Llm, Findings),
        (Queue::Llm, Pushed),
        (Queue::Github, Passed),
        (Queue::Llm, Clean),
        (Queue::Github, Cleared),
        (Queue::Github, Merged),
    ];
    for (queue, outcome) in path {
        let lease = test.claim(queue).await;
        assert_eq!(test.engine.answer(&lease, "tester", answer(outcome)).await.unwrap(), Ack::Committed);
        assert_folds(&test.engine, run).await;
    }
    let State::Ended { end, .. } = test.run(run).await.run.state else { panic!("it has not ended") };
    assert_eq!(end, End::Succeeded);
    assert_sound(&test.engine).await;
}

/// Reports everything that an attempt can report, and all of it is fenced off.
async fn assert_late(test: &TestEngine, lease: &Lease) {
    let (engine, before) = (&test.engine, test.snapshot().await);
    let park = Park::new("checks", vec![Topic::Checks], test.run(lease.run).await.now);
    let late = [
        engine.answer(lease, "zombie", answer(Opened)).await.unwrap(),
        engine.park(lease, "zombie", park, Progress::default()).await.unwrap(),
        engine.fail(lease, "zombie", "e", None).await.unwrap(),
        engine.exhaust(lease, "zombie", "e").await.unwrap(),
        engine.block_unsupported(lease, "zombie", "e").await.unwrap(),
    ];
    assert_eq!(late, [Ack::Fenced; 5]);
    assert_eq!(test.snapshot().await, before, "a fenced report changed something");
}

#[tokio::test]
async fn a_report_after_the_lease_changes_nothing() {
    let test = TestEngine::new().await;
    test.accept().await;
    let zombie = test.claim(Queue::Llm).await;
    advance(test.pool(), TestEngine::LEASE).await;
    let heir = test.claim(Queue::Llm).await;
    assert_eq!((heir.job, heir.turn), (zombie.job, zombie.turn), "only the token tells them apart");

    assert_late(&test, &zombie).await;
    assert_eq!(test.engine.answer(&heir, "heir", answer(Opened)).await.unwrap(), Ack::Committed);
    assert_late(&test, &zombie).await;
    assert_late(&test, &heir).await;
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn of_ten_equal_answers_at_once_one_is_recorded() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let answers = (0..10).map(|_| test.engine.answer(&lease, "tester", answer(Opened)));
    let moved = futures::future::try_join_all(answers).await.unwrap();
    assert_eq!(moved.iter().filter(|moved| **moved == Ack::Committed).count(), 1);
    assert_eq!(test.event_kinds(run).await, ["started", "answered"]);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn an_answer_without_a_transition_changes_nothing() {
    let test = TestEngine::new().await;
    test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let before = test.snapshot().await;
    let refused = test.engine.answer(&lease, "tester", answer(Merged)).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
    assert_eq!(test.snapshot().await, before);
}

#[tokio::test]
async fn a_save_from_an_older_version_changes_nothing() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let stale = test.run(run).await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "tester", answer(Opened)).await.unwrap();

    let (before, mut connection) = (test.snapshot().await, test.pool().acquire().await.unwrap());
    let saved = store::run::save(&mut connection, run, stale.version, 1, &stale.run).await.unwrap();
    assert!(!saved);
    let taken = event::append(
        &mut connection,
        event::New {
            run,
            seq: 2,
            at: stale.now,
            actor: "zombie",
            step: None,
            event: &Event::Woken,
            lease: None,
        },
    )
    .await;
    assert!(taken.unwrap_err().into_database_error().unwrap().is_unique_violation());
    assert_eq!(test.snapshot().await, before);
}

#[tokio::test]
async fn the_history_is_append_only() {
    let test = TestEngine::new().await;
    test.accept().await;
    for sql in ["update event set actor = 'nobody'", "delete from event"] {
        let refused = sqlx::query(sql).execute(test.pool()).await.unwrap_err();
        assert!(refused.to_string().contains("the history is append-only"), "{refused}");
    }
    assert_eq!(test.query::<String>("select actor from event").await, "pm@acme");
}

#[tokio::test]
async fn text_with_a_nul_is_recorded_without_it() {
    let test = TestEngine::new().await;
    test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(test.engine.fail(&lease, "tester", "a\0b", None).await.unwrap(), Ack::Committed);
    assert_eq!(test.query::<String>("select error from attempt_log").await, "a\u{fffd}b");
    advance(test.pool(), TestEngine::LEASE).await;
    let (lease, mut opened) = (test.claim(Queue::Llm).await, answer(Opened));
    opened.note = "opened\0".to_owned();
    assert_eq!(test.engine.answer(&lease, "tester", opened).await.unwrap(), Ack::Committed);
    let lease = test.claim(Queue::Github).await;
    assert_eq!(test.engine.exhaust(&lease, "tester", "\0").await.unwrap(), Ack::Committed);
    assert_sound(&test.engine).await;
}
