//! Answers that are committed together, each fenced by its own lease.

use std::{sync::Arc, time::Duration};

use aspora::{
    core::workflow::{
        Outcome::{self, Declined, Opened},
        Queue,
    },
    engine::group_commit::{BatchLimits, GroupCommit, Handoff, Pending, Recorded},
    store::{
        Clock,
        job::{self, Claim, ClaimRequest, Lease},
        run::StoredRun,
    },
};
use futures::future::join_all;

use super::support::{TestEngine, advance, answer, assert_sound};

async fn claims(test: &TestEngine) -> (Vec<Claim>, Clock) {
    let request = ClaimRequest { worker: "tester", lease: TestEngine::LEASE, suspects: true, guarded: true };
    let mut connection = test.pool().acquire().await.unwrap();
    let batch = job::claim(&mut connection, &[(Queue::Llm, 10)], request).await.unwrap();
    (batch.claims, batch.clock)
}

async fn pending(test: &TestEngine, claim: &Claim, clock: &Clock, outcome: Outcome) -> Pending {
    prepare(test, &claim.lease, claim.stored.as_ref().unwrap(), clock, outcome).await
}

async fn prepare(
    test: &TestEngine,
    lease: &Lease,
    stored: &StoredRun,
    clock: &Clock,
    outcome: Outcome,
) -> Pending {
    test.engine.prepare(lease, stored, clock, answer(outcome)).await.unwrap().unwrap()
}

fn commits(test: &TestEngine, size: usize) -> GroupCommit {
    let limits = BatchLimits { size, concurrency: 1 };
    GroupCommit::open(&test.engine, &Arc::from("tester"), TestEngine::LEASE, limits)
}

#[tokio::test]
async fn a_batch_moves_each_of_its_runs() {
    let test = TestEngine::new().await;
    for _ in 0..5 {
        test.accept().await;
    }
    let ((claims, clock), commits) = (claims(&test).await, commits(&test, 100));
    let outcomes = [Opened, Declined, Opened, Declined, Opened];
    let prepared =
        join_all(claims.iter().zip(outcomes).map(|(it, outcome)| pending(&test, it, &clock, outcome)));
    let recorded = join_all(prepared.await.into_iter().map(|it| commits.record(it, Handoff::Notify))).await;
    assert!(recorded.iter().all(|it| matches!(it, Recorded::Committed)), "{recorded:?}");
    assert_eq!(test.query::<i64>("select count(*) from run where ended_as = 'failed'").await, 2);
    let next = "select count(*) from job where step = 'gate' and queue = 'github' and turn = 2
                and attempts = 0 and lease_token is null and visible_at <= now()";
    assert_eq!(test.query::<i64>(next).await, 3);
    let tried = "select count(*) from attempt_log where attempt = 1 and ended_as = 'answered'
                 and worker = 'tester' and started_at <= ended_at";
    assert_eq!(test.query::<i64>(tried).await, 5);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn an_answer_with_a_lost_lease_or_a_paused_run_drops_out_of_its_batch_alone() {
    let test = TestEngine::new().await;
    for _ in 0..3 {
        test.accept().await;
    }
    let ((claims, clock), commits) = (claims(&test).await, commits(&test, 100));
    let prepared: Vec<Pending> = join_all(claims.iter().map(|it| pending(&test, it, &clock, Opened))).await;
    let [stolen, paused, kept] = [0, 1, 2].map(|nth| &claims[nth].lease);
    test.execute(&format!("update job set lease_token = gen_random_uuid() where id = {}", stolen.job)).await;
    let reason = "wait".parse().unwrap();
    test.engine.pause(paused.run, "pm", &reason).await.unwrap();

    let recorded = join_all(prepared.into_iter().map(|it| commits.record(it, Handoff::Notify))).await;
    assert!(
        matches!(recorded[..], [Recorded::NotRecorded, Recorded::NotRecorded, Recorded::Committed]),
        "{recorded:?}"
    );
    assert_eq!(test.event_kinds(stolen.run).await, ["started"]);
    assert_eq!(test.event_kinds(paused.run).await, ["started", "paused"]);
    assert_eq!(test.event_kinds(kept.run).await, ["started", "answered"]);
    // The slow path records the answer of the paused run.
    test.engine.answer(paused, "tester", answer(Opened)).await.unwrap();
    assert_eq!(test.event_kinds(paused.run).await, ["started", "paused", "answered"]);
    assert_sound(&test.engine).await;
}

/// A defence in depth: no code moves a run without its job.
#[tokio::test]
async fn a_run_that_moved_without_its_job_stops_the_whole_batch() {
    let test = TestEngine::new().await;
    test.accept().await;
    test.accept().await;
    let ((claims, clock), commits) = (claims(&test).await, commits(&test, 100));
    let prepared: Vec<Pending> = join_all(claims.iter().map(|it| pending(&test, it, &clock, Opened))).await;
    test.execute(&format!("update run set version = 2 where id = '{}'", claims[0].lease.run)).await;
    let before = test.snapshot().await;
    let recorded = join_all(prepared.into_iter().map(|it| commits.record(it, Handoff::Notify))).await;
    assert!(recorded.iter().all(|it| matches!(it, Recorded::NotRecorded)), "{recorded:?}");
    assert_eq!(test.snapshot().await, before);
}

#[tokio::test]
async fn a_worker_continues_with_a_new_lease_and_no_other_can_claim_the_step() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    test.edit_workflow(run, "queue   = \"github\"", "queue   = \"llm\"").await;
    let ((claims, clock), commits) = (claims(&test).await, commits(&test, 1));
    let answered = pending(&test, &claims[0], &clock, Opened).await;
    assert!(answered.can_continue());
    let Recorded::Continued(next) = commits.record(answered, Handoff::Continue).await else {
        panic!("the worker does not continue")
    };
    assert_ne!(next.lease.token, claims[0].lease.token);
    assert_eq!((next.lease.step.as_str(), next.lease.turn, next.lease.attempt), ("gate", 2, 1));
    assert_eq!(test.claim_all(Queue::Llm, 10).await, []);
    assert_eq!((&next.stored.run, next.stored.version), (&test.run(run).await.run, 2));

    // The new lease runs out like any other, and a late answer is fenced.
    advance(test.pool(), TestEngine::LEASE + Duration::from_secs(1)).await;
    let heir = test.claim(Queue::Llm).await;
    assert_eq!((heir.attempt, heir.lost), (2, 1));
    let late = prepare(&test, &next.lease, &next.stored, &clock, Outcome::Passed).await;
    assert!(matches!(commits.record(late, Handoff::Notify).await, Recorded::NotRecorded));
    assert_eq!(test.event_kinds(run).await, ["started", "answered"]);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_worker_does_not_continue_in_another_queue() {
    let test = TestEngine::new().await;
    test.accept().await;
    let (claims, clock) = claims(&test).await;
    assert!(!pending(&test, &claims[0], &clock, Opened).await.can_continue(), "the gate is GitHub's");
    let ended = pending(&test, &claims[0], &clock, Declined).await;
    assert!(!ended.can_continue() && ended.next_queue().is_none());
}
