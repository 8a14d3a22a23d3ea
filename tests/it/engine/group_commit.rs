//! Answers that are committed together, each fenced by its own lease.

use std::{sync::Arc, time::Duration};

use aspora::{
    core::workflow::{
        Outcome::{self, Declined, Opened},
        Queue,
    },
    engine::group_commit::{Follow, GroupCommit, Grouping, Pending, Recorded},
    store::{
        Clock,
        job::{self, Claim, ClaimRequest},
    },
};
use futures::future::join_all;

use super::support::{TestEngine, advance, answer, assert_sound};

async fn claims(test: &TestEngine) -> (Vec<Claim>, Clock) {
    let terms = ClaimRequest { worker: "tester", lease: TestEngine::LEASE, suspects: true, guarded: true };
    let taken =
        job::claim(&mut test.pool().acquire().await.unwrap(), &[(Queue::Llm, 10)], terms).await.unwrap();
    (taken.claims, taken.clock)
}

async fn pending(test: &TestEngine, claim: &Claim, clock: &Clock, outcome: Outcome) -> Pending {
    let run = claim.run.as_ref().unwrap();
    test.engine.prepare(&claim.lease, run, clock, answer(outcome)).await.unwrap().unwrap()
}

fn commits(test: &TestEngine, most: usize) -> GroupCommit {
    GroupCommit::open(&test.engine, &Arc::from("tester"), TestEngine::LEASE, Grouping { most, at_once: 1 })
}

#[tokio::test]
async fn a_group_moves_each_of_its_runs() {
    let test = TestEngine::new().await;
    for _ in 0..5 {
        test.accept().await;
    }
    let ((claims, clock), commits) = (claims(&test).await, commits(&test, 100));
    let outcomes = [Opened, Declined, Opened, Declined, Opened];
    let drafts =
        join_all(claims.iter().zip(outcomes).map(|(it, outcome)| pending(&test, it, &clock, outcome)));
    let recorded = join_all(drafts.await.into_iter().map(|it| commits.record(it, Follow::Tell))).await;
    assert!(recorded.iter().all(|it| matches!(it, Recorded::Over)), "{recorded:?}");
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
async fn who_lost_its_lease_or_was_paused_falls_out_of_its_group_alone() {
    let test = TestEngine::new().await;
    for _ in 0..3 {
        test.accept().await;
    }
    let ((claims, clock), commits) = (claims(&test).await, commits(&test, 100));
    let drafts: Vec<Pending> = join_all(claims.iter().map(|it| pending(&test, it, &clock, Opened))).await;
    let [stolen, paused, kept] = [0, 1, 2].map(|nth| &claims[nth].lease);
    test.execute(&format!("update job set lease_token = gen_random_uuid() where id = {}", stolen.job)).await;
    let reason = "wait".parse().unwrap();
    test.engine.pause(paused.run, "pm", &reason).await.unwrap();

    let recorded = join_all(drafts.into_iter().map(|it| commits.record(it, Follow::Tell))).await;
    assert!(matches!(recorded[..], [Recorded::Alone, Recorded::Alone, Recorded::Over]), "{recorded:?}");
    assert_eq!(test.event_kinds(stolen.run).await, ["started"]);
    assert_eq!(test.event_kinds(paused.run).await, ["started", "paused"]);
    assert_eq!(test.event_kinds(kept.run).await, ["started", "answered"]);
    // The long road takes the answer of the paused one all the same.
    test.engine.answer(paused, "tester", answer(Opened)).await.unwrap();
    assert_eq!(test.event_kinds(paused.run).await, ["started", "paused", "answered"]);
    assert_sound(&test.engine).await;
}

/// It cannot be; should it be, nothing of the group may count.
#[tokio::test]
async fn a_run_that_moved_without_its_job_stops_the_whole_group() {
    let test = TestEngine::new().await;
    test.accept().await;
    test.accept().await;
    let ((claims, clock), commits) = (claims(&test).await, commits(&test, 100));
    let drafts: Vec<Pending> = join_all(claims.iter().map(|it| pending(&test, it, &clock, Opened))).await;
    test.execute(&format!("update run set version = 2 where id = '{}'", claims[0].lease.run)).await;
    let before = test.snapshot().await;
    let recorded = join_all(drafts.into_iter().map(|it| commits.record(it, Follow::Tell))).await;
    assert!(recorded.iter().all(|it| matches!(it, Recorded::Alone)), "{recorded:?}");
    assert_eq!(test.snapshot().await, before);
}

#[tokio::test]
async fn a_step_that_is_kept_has_a_new_lease_and_nobody_else_can_claim_it() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    test.edit_workflow(run, "queue   = \"github\"", "queue   = \"llm\"").await;
    let ((claims, clock), commits) = (claims(&test).await, commits(&test, 1));
    let drafted = pending(&test, &claims[0], &clock, Opened).await;
    assert!(drafted.may_be_kept());
    let Recorded::Kept(kept, _) = commits.record(drafted, Follow::Keep).await else {
        panic!("it was not kept")
    };
    assert_ne!(kept.lease.token, claims[0].lease.token);
    assert_eq!((kept.lease.step.as_str(), kept.lease.turn, kept.lease.attempt), ("gate", 2, 1));
    assert_eq!(test.claim_all(Queue::Llm, 10).await, []);
    let known = kept.run.as_ref().unwrap();
    assert_eq!((&known.run, known.version), (&test.run(run).await.run, 2));

    // Its lease runs out like any other, and the late answer is fenced off.
    advance(test.pool(), TestEngine::LEASE + Duration::from_secs(1)).await;
    let heir = test.claim(Queue::Llm).await;
    assert_eq!((heir.attempt, heir.lost), (2, 1));
    let late = pending(&test, &kept, &clock, Outcome::Passed).await;
    assert!(matches!(commits.record(late, Follow::Tell).await, Recorded::Alone));
    assert_eq!(test.event_kinds(run).await, ["started", "answered"]);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn another_queue_or_another_key_ends_the_hold() {
    let test = TestEngine::new().await;
    test.accept().await;
    let (claims, clock) = claims(&test).await;
    assert!(!pending(&test, &claims[0], &clock, Opened).await.may_be_kept(), "the gate is GitHub's");
    let ended = pending(&test, &claims[0], &clock, Declined).await;
    assert!(!ended.may_be_kept() && ended.queue().is_none());
}
