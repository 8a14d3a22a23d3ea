//! Who holds a job: claims, renewals, jobs given back, and acts that need a hold.

use std::{collections::BTreeSet, time::Duration};

use aspora::{
    core::workflow::{Outcome::Opened, Queue},
    engine::Ack,
    store::{
        effect::{self, Begun},
        job,
    },
};
use futures::future::join_all;
use serde_json::{Value, json};

use super::support::{TestEngine, accept, advance, answer, assert_sound};

#[tokio::test]
async fn no_job_is_claimed_twice_by_many_at_once() {
    let test = TestEngine::new().await;
    for _ in 0..40 {
        test.accept().await;
    }
    let claimers = (0..8).map(async |_| {
        let mut mine = Vec::new();
        loop {
            let claimed = test.claim_all(Queue::Llm, 3).await;
            assert!(claimed.len() <= 3);
            if claimed.is_empty() {
                return mine;
            }
            mine.extend(claimed);
        }
    });
    let all: Vec<_> = join_all(claimers).await.into_iter().flatten().collect();
    let (jobs, tokens): (BTreeSet<_>, BTreeSet<_>) = all.iter().map(|lease| (lease.job, lease.token)).unzip();
    assert_eq!((all.len(), jobs.len(), tokens.len()), (40, 40, 40));
    assert_sound(&test.engine).await;
}

/// A claim that met a locked row and waited would hold up every worker of the queue.
#[tokio::test]
async fn a_claim_passes_over_a_job_that_somebody_is_just_claiming() {
    let test = TestEngine::new().await;
    let (first, second) = (test.accept().await, test.accept().await);
    let mut tx = test.pool().begin().await.unwrap();
    sqlx::query("select 1 from job where run_id = $1 for update")
        .bind(first)
        .execute(&mut *tx)
        .await
        .unwrap();
    let claimed = tokio::time::timeout(Duration::from_secs(20), test.claim(Queue::Llm)).await.unwrap();
    assert_eq!(claimed.run, second);
}

#[tokio::test]
async fn the_first_priority_comes_first_and_then_the_oldest() {
    let test = TestEngine::new().await;
    let mut runs = Vec::new();
    for priority in [5, 1, 3, 1] {
        runs.push(accept(&test.engine, priority).await);
    }
    let claimed = async |limit| -> Vec<_> {
        test.claim_all(Queue::Llm, limit).await.into_iter().map(|lease| lease.run).collect()
    };
    assert!(claimed(0).await.is_empty());
    assert_eq!(claimed(3).await, [runs[1], runs[3], runs[2]]);
    assert_eq!(claimed(3).await, [runs[0]]);
}

#[tokio::test]
async fn a_job_is_claimed_from_its_queue_when_it_is_due_and_free() {
    let test = TestEngine::new().await;
    test.accept().await;
    assert!(test.claim_all(Queue::Github, 10).await.is_empty(), "it is in another queue");
    let lease = test.claim(Queue::Llm).await;
    advance(test.pool(), TestEngine::LEASE - Duration::from_secs(10)).await;
    assert!(test.claim_all(Queue::Llm, 10).await.is_empty(), "it is held");
    test.engine.fail(&lease, "tester", "e", Some(Duration::from_secs(40))).await.unwrap();
    assert!(test.claim_all(Queue::Llm, 10).await.is_empty(), "it is not due");
    advance(test.pool(), Duration::from_secs(43)).await;
    assert_eq!(test.claim(Queue::Llm).await.attempt, 2);
}

#[tokio::test]
async fn a_job_that_is_given_back_is_claimable_at_once_and_the_attempt_does_not_count() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    for _ in 0..7 {
        let lease = test.claim(Queue::Llm).await;
        assert!(!lease.is_spent());
        assert!(job::give_back(test.pool(), &lease).await.unwrap());
        assert!(!job::give_back(test.pool(), &lease).await.unwrap(), "it is not ours any more");
    }
    for failure in 1..=5 {
        assert_eq!(test.event_kinds(run).await.len(), failure, "the limit came too early");
        let lease = test.claim(Queue::Llm).await;
        test.engine.fail(&lease, "tester", "e", None).await.unwrap();
        advance(test.pool(), Duration::from_secs(600)).await;
    }
    assert_eq!(test.event_kinds(run).await.last().unwrap(), "exhausted");
    let ends = "select string_agg(ended_as, ' ' order by attempt) from attempt_log";
    let expected = [["lost"; 7].as_slice(), &["failed"; 5]].concat().join(" ");
    assert_eq!(test.query::<String>(ends).await, expected);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_thief_is_not_robbed_by_a_job_given_back_late() {
    let test = TestEngine::new().await;
    test.accept().await;
    let zombie = test.claim(Queue::Llm).await;
    advance(test.pool(), TestEngine::LEASE).await;
    let heir = test.claim(Queue::Llm).await;
    assert!(!job::give_back(test.pool(), &zombie).await.unwrap());
    assert_eq!(test.engine.answer(&heir, "heir", answer(Opened)).await.unwrap(), Ack::Committed);
}

#[tokio::test]
async fn a_renewal_prolongs_what_is_held_and_tells_what_is_lost() {
    let test = TestEngine::new().await;
    for _ in 0..3 {
        test.accept().await;
    }
    let leases = test.claim_all(Queue::Llm, 3).await;
    let [held, stolen, finished] = leases.as_slice() else { panic!("{leases:?}") };
    test.engine.answer(finished, "tester", answer(Opened)).await.unwrap();
    let thief = uuid::Uuid::new_v4();
    test.execute(&format!("update job set lease_token = '{thief}' where id = {}", stolen.job)).await;
    advance(test.pool(), TestEngine::LEASE / 2).await;

    let (jobs, tokens): (Vec<_>, Vec<_>) = leases.iter().map(|lease| (lease.job, lease.token)).unzip();
    let renewed = job::renew(test.pool(), &jobs, &tokens, TestEngine::LEASE).await.unwrap();
    assert_eq!(renewed, [held.token]);
    // Both holds on one job, as a process has them that claimed again what it had lost.
    let renewed =
        job::renew(test.pool(), &[stolen.job; 2], &[stolen.token, thief], TestEngine::LEASE).await.unwrap();
    assert_eq!(renewed, [thief]);
    let left =
        "select bool_and(visible_at > now() + interval '20 seconds') from job where lease_token is not null";
    assert!(test.query::<bool>(left).await);
}

async fn begin(test: &TestEngine, lease: &job::Lease, request: &Value) -> Begun {
    effect::begin(test.pool(), lease, "generate.1.push", "push", request).await.unwrap()
}

#[tokio::test]
async fn an_effect_is_fresh_then_unknown_then_done_with_what_was_first_meant_and_seen() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let Begun::Fresh(first) = begin(&test, &lease, &json!({"sha": "a"})).await else { panic!("not fresh") };
    assert_eq!(first.request, json!({"sha": "a"}));

    advance(test.pool(), TestEngine::LEASE).await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(begin(&test, &lease, &json!({"sha": "b"})).await, Begun::Unknown(first.clone()));

    for seen in ["first", "second"] {
        effect::observe(test.pool(), run, "generate.1.push", &json!(seen)).await.unwrap();
    }
    assert_eq!(begin(&test, &lease, &json!({"sha": "c"})).await, Begun::Done(first, json!("first")));
    let row = effect::get(test.pool(), run, "generate.1.push").await.unwrap().unwrap();
    assert_eq!((row.attempts, row.kind.as_str(), row.result), (2, "push", Some(json!("first"))));
}

#[tokio::test]
async fn nobody_acts_without_a_hold_that_lasts() {
    let test = TestEngine::new().await;
    test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    advance(test.pool(), TestEngine::LEASE / 2 + Duration::from_secs(1)).await;
    let before = test.snapshot().await;
    assert_eq!(begin(&test, &lease, &json!(1)).await, Begun::LeaseLost, "less than half of it is left");
    advance(test.pool(), TestEngine::LEASE).await;
    assert_eq!(begin(&test, &lease, &json!(1)).await, Begun::LeaseLost, "it has run out");
    assert_eq!(test.query::<i64>("select count(*) from effect").await, 0, "{before}");

    let heir = test.claim(Queue::Llm).await;
    assert_eq!(begin(&test, &lease, &json!(1)).await, Begun::LeaseLost, "somebody else holds the job");
    assert!(matches!(begin(&test, &heir, &json!(2)).await, Begun::Fresh(_)));
    assert_eq!(begin(&test, &lease, &json!(1)).await, Begun::LeaseLost, "the effect is somebody else's");
    assert_eq!(test.query::<i32>("select attempts from effect").await, 1);
    test.engine.answer(&heir, "heir", answer(Opened)).await.unwrap();
    assert_eq!(begin(&test, &heir, &json!(2)).await, Begun::LeaseLost, "the job is done");
}
