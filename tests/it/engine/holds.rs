//! What people hold: no job of it is claimed until it is released, however the claim is made.

use std::{sync::Arc, time::Duration};

use aspora::{
    core::{
        hold::Scope,
        why::{Cause, why},
        workflow::{Outcome::Opened, Queue},
    },
    engine::group_commit::{BatchLimits, GroupCommit, Handoff, Recorded},
    store::{
        hold,
        job::{self, ClaimRequest, DueWork},
        standing,
    },
};

use super::support::{TestEngine, advance, answer, assert_sound};

async fn put(test: &TestEngine, scope: &str) -> hold::Placed {
    let scope: Scope = scope.parse().unwrap();
    hold::put(&mut test.pool().acquire().await.unwrap(), &scope, "the pager rings", "ada").await.unwrap()
}

async fn release(test: &TestEngine, scope: &str, per_minute: Option<u32>) -> Option<u64> {
    let scope: Scope = scope.parse().unwrap();
    hold::release(&mut test.pool().acquire().await.unwrap(), &scope, per_minute).await.unwrap()
}

#[tokio::test]
async fn what_is_held_is_not_claimed_until_it_is_released() {
    // The worker of these claims is `tester`.
    for scope in ["all", "product:wealth", "queue:llm", "worker:tester"] {
        let test = TestEngine::new().await;
        test.accept().await;
        assert!(put(&test, scope).await.is_new);
        assert!(!put(&test, scope).await.is_new, "a second hold changes nothing");
        assert_eq!(test.claim_all(Queue::Llm, 10).await, [], "{scope}");
        assert!(release(&test, scope, None).await.is_some(), "{scope}");
        assert_eq!(release(&test, scope, None).await, None, "{scope} is released already");
        assert_eq!(test.claim_all(Queue::Llm, 10).await.len(), 1, "{scope}");
    }
}

#[tokio::test]
async fn what_is_not_held_goes_on() {
    let test = TestEngine::new().await;
    test.accept().await;
    for scope in ["product:other", "queue:github", "worker:another"] {
        put(&test, scope).await;
    }
    assert_eq!(test.claim_all(Queue::Llm, 10).await.len(), 1);
}

#[tokio::test]
async fn a_job_that_lost_its_worker_is_held_too() {
    let test = TestEngine::new().await;
    test.accept().await;
    test.claim(Queue::Llm).await;
    let placed = put(&test, "product:wealth").await;
    assert_eq!(placed.running, 1, "its attempt may still end");
    advance(test.pool(), TestEngine::LEASE + Duration::from_secs(1)).await;
    assert_eq!(test.claim_all(Queue::Llm, 10).await, []);
    release(&test, "product:wealth", None).await;
    assert_eq!(test.claim(Queue::Llm).await.lost, 1);
}

#[tokio::test]
async fn a_claim_that_has_begun_ends_before_the_hold_does_and_is_counted() {
    let test = TestEngine::new().await;
    test.accept().await;
    let mut claiming = test.pool().begin().await.unwrap();
    let request = ClaimRequest { worker: "tester", lease: TestEngine::LEASE, suspects: true, guarded: true };
    let batch = job::claim(&mut claiming, &[(Queue::Llm, 1)], request).await.unwrap();
    assert_eq!(batch.claims.len(), 1);
    let (placed, committed) = tokio::join!(put(&test, "all"), async {
        let waits = "select count(*) from pg_locks where not granted and relation = 'job'::regclass";
        super::support::eventually("the hold waits", async || test.query::<i64>(waits).await == 1).await;
        claiming.commit().await
    });
    committed.unwrap();
    assert_eq!(placed.running, 1);
}

#[tokio::test]
async fn a_worker_does_not_continue_with_a_step_that_is_held() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    test.edit_workflow(run, "queue   = \"github\"", "queue   = \"llm\"").await;
    let request = ClaimRequest { worker: "tester", lease: TestEngine::LEASE, suspects: true, guarded: true };
    let mut connection = test.pool().acquire().await.unwrap();
    let batch = job::claim(&mut connection, &[(Queue::Llm, 1)], request).await.unwrap();
    let claim = &batch.claims[0];
    let stored = claim.stored.as_ref().unwrap();
    let pending =
        test.engine.prepare(&claim.lease, stored, &batch.clock, answer(Opened)).await.unwrap().unwrap();
    assert!(pending.can_continue());
    put(&test, "product:wealth").await;
    let limits = BatchLimits { size: 1, concurrency: 1 };
    let commits = GroupCommit::open(&test.engine, &Arc::from("tester"), TestEngine::LEASE, limits);
    assert!(matches!(commits.record(pending, Handoff::Continue).await, Recorded::NotRecorded));
    // The slow path records the answer, and nobody begins the next step.
    test.engine.answer(&claim.lease, "tester", answer(Opened)).await.unwrap();
    assert_eq!(test.event_kinds(run).await, ["started", "answered"]);
    assert_eq!(test.claim_all(Queue::Llm, 10).await, []);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_release_lets_so_many_jobs_a_minute_begin() {
    let test = TestEngine::new().await;
    for _ in 0..5 {
        test.accept().await;
    }
    put(&test, "all").await;
    assert_eq!(release(&test, "all", Some(2)).await, Some(5));
    for begun in 1..=5 {
        test.claim_all(Queue::Llm, 10).await;
        assert_eq!(test.query::<i64>("select count(*) from job where attempts > 0").await, begun);
        advance(test.pool(), Duration::from_secs(30)).await;
    }
}

#[tokio::test]
async fn a_run_says_who_holds_it_and_why() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let cause = async || {
        let (stored, job) = standing::with_job(test.pool(), run).await.unwrap().unwrap();
        why(&stored.run, job.as_ref())
    };
    put(&test, "queue:llm").await;
    let held = cause().await;
    assert!(matches!(&held, Cause::OnHold { hold, .. } if hold.scope == "queue:llm"), "{held:?}");
    let sentence = held.sentence(chrono::Utc::now());
    assert!(sentence.starts_with("`generate` is on hold: ada has held the queue llm for"), "{sentence}");
    assert!(sentence.ends_with("the pager rings; release it to continue."), "{sentence}");
    test.accept().await;
    release(&test, "queue:llm", Some(1)).await;
    let due = "select id from run order by created_at desc limit 1";
    let (last, job) = standing::with_job(test.pool(), test.query(due).await).await.unwrap().unwrap();
    let sentence = why(&last.run, job.as_ref()).sentence(chrono::Utc::now());
    assert!(sentence.contains("a hold was released, a few jobs at a time"), "{sentence}");
}

#[tokio::test]
async fn an_idle_worker_sees_no_work_that_is_held() {
    let test = TestEngine::new().await;
    test.accept().await;
    let due = async || {
        let DueWork { queues, .. } = job::due_work(test.pool(), &Queue::ALL).await.unwrap();
        queues
    };
    assert_eq!(due().await, ["llm"]);
    put(&test, "all").await;
    assert!(due().await.is_empty());
}
