//! What runs are about: the workflow that serves each kind of subject, and kinds of a newer release.

use aspora::{
    core::{
        reason::Reason,
        requirement::Requirement,
        subject::{Subject, SubjectKind},
        workflow::{Outcome::Closed, Queue},
    },
    engine::{Engine, Error},
    store::{self, job, job::ClaimRequest},
};
use uuid::Uuid;

use super::support::{TestEngine, accept, answer, assert_sound};

const OLD: &str = include_str!("../../../workflows/requirement.toml");

/// The shipped workflow as a later release might change it.
fn new() -> String {
    OLD.replacen("visits  = 8", "visits  = 9", 1)
}

async fn workflow_of(test: &TestEngine, run: Uuid) -> String {
    test.run(run).await.spec.workflow_hash
}

#[tokio::test]
async fn new_runs_begin_with_the_newest_workflow_for_their_subject_and_keep_it() {
    let test = TestEngine::new().await;
    let pool = test.pool().clone();
    let before = Engine::open_with(pool.clone(), &[OLD]).await.unwrap();
    let after = Engine::open_with(pool, &[OLD, &new()]).await.unwrap();
    let newest = |engine: &Engine| engine.newest(SubjectKind::Requirement).unwrap().hash.clone();
    let (old, new) = (newest(&before), newest(&after));
    assert_ne!(old, new);

    let first = accept(&before, 3).await;
    let lease = test.claim(Queue::Llm).await;
    after.answer(&lease, "tester", answer(Closed)).await.unwrap();
    let second = accept(&after, 3).await;
    let reason: Reason = "the gate takes longer by now".parse().unwrap();
    let fork = after.fork(first, "generate", "pm@acme", &reason).await.unwrap();

    assert_eq!(workflow_of(&test, first).await, old);
    assert_eq!(workflow_of(&test, second).await, new);
    assert_eq!(workflow_of(&test, fork).await, new);
    assert_sound(&after).await;
}

#[tokio::test]
async fn nothing_is_stored_about_a_subject_that_no_workflow_serves() {
    let test = TestEngine::new().await;
    let engine = Engine::open_with(test.pool().clone(), &[]).await.unwrap();
    let requirement = Requirement::new("wealth", "Add a risk checker", "For portfolios.", 3).unwrap();
    let refused = engine.accept(&requirement, "pm@acme").await.unwrap_err();
    assert!(matches!(refused, Error::NoWorkflow(SubjectKind::Requirement)), "{refused}");
    assert_eq!(test.query::<i64>("select count(*) from requirement").await, 0);
}

#[tokio::test]
async fn a_run_about_a_subject_of_a_newer_release_is_left_to_it() {
    let test = TestEngine::new().await;
    let (newer, known) = (test.accept().await, test.accept().await);
    test.execute(&format!(
        "update run set subject_kind = 'rota', subject_id = gen_random_uuid(), requirement_id = null
             where id = '{newer}'"
    ))
    .await;
    let request = ClaimRequest { worker: "tester", lease: TestEngine::LEASE, suspects: true, guarded: true };
    let mut connection = test.pool().acquire().await.unwrap();
    let claims = job::claim(&mut connection, &[(Queue::Llm, 10)], request).await.unwrap().claims;
    let read = |run: Uuid| claims.iter().find(|claim| claim.lease.run == run).unwrap().stored.as_ref();
    assert_eq!(read(newer).unwrap_err(), "this release does not know the subject kind `rota`");
    assert!(read(known).is_ok());
    let unreadable = store::run::get(test.pool(), newer).await.unwrap_err();
    assert!(matches!(unreadable, store::Error::Decode(_)), "{unreadable}");
}

#[tokio::test]
async fn a_run_has_exactly_one_subject() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let stored = test.run(run).await;
    let Subject::Requirement(requirement) = stored.spec.subject else { panic!("{:?}", stored.spec.subject) };
    assert_eq!(test.query::<Uuid>("select id from requirement").await, requirement);
    for change in [
        "requirement_id = null",
        "subject_id = gen_random_uuid()",
        "subject_kind = 'harness_gap'",
        "subject_kind = 'harness_gap', requirement_id = null",
        "subject_kind = 'harness_gap', subject_id = gen_random_uuid()",
    ] {
        let sql = sqlx::AssertSqlSafe(format!("update run set {change}"));
        let refused = sqlx::query(sql).execute(test.pool()).await.unwrap_err();
        assert!(refused.to_string().contains("one_subject"), "{change}: {refused}");
    }
}
