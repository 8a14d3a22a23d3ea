//! Who gets the next free slot: shares of products, priorities with age, limited keys, suspects.

use std::{collections::BTreeMap, time::Duration};

use aspora::{
    core::{limit::Key, requirement::Requirement, workflow::Queue},
    store::{
        self,
        job::{self, ClaimRequest, Lease},
        limit,
    },
};
use futures::future::join_all;
use uuid::Uuid;

use super::support::{TestEngine, accept, advance, assert_sound};

/// Adds a product with runs that wait for their first step.
async fn product(test: &TestEngine, name: &str, runs: usize) -> Vec<Uuid> {
    let (repository, known) = (format!("acme/{name}").parse().unwrap(), name.parse().unwrap());
    store::product::put(test.pool(), &known, &repository, "main", &[]).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..runs {
        let requirement = Requirement::new(name, "One more", "Please.", 3).unwrap();
        all.push(test.engine.accept(&requirement, "pm").await.unwrap().run);
    }
    all
}

/// How many of these jobs each product has.
async fn shares(test: &TestEngine, leases: &[Lease]) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for lease in leases {
        *shares.entry(test.run(lease.run).await.spec.product).or_default() += 1;
    }
    shares
}

async fn claim(test: &TestEngine, suspects: bool, guarded: bool) -> job::ClaimBatch {
    let terms = ClaimRequest { worker: "tester", lease: TestEngine::LEASE, suspects, guarded };
    job::claim(&mut test.pool().acquire().await.unwrap(), &[(Queue::Llm, 10)], terms).await.unwrap()
}

#[tokio::test]
async fn products_share_a_queue_however_long_their_lines_are() {
    let test = TestEngine::new().await;
    product(&test, "long", 30).await;
    product(&test, "short", 5).await;
    let leases = test.claim_all(Queue::Llm, 10).await;
    assert_eq!(shares(&test, &leases).await, [("long".to_owned(), 5), ("short".to_owned(), 5)].into());
}

/// Lots are drawn for each slot: to miss a share in 24 of 24 draws has a chance of one in 16 million.
#[tokio::test]
async fn a_product_gets_its_share_also_of_slots_that_come_free_one_by_one() {
    let test = TestEngine::new().await;
    product(&test, "early", 24).await;
    product(&test, "late", 1).await;
    let mut drawn = Vec::new();
    for _ in 0..24 {
        drawn.extend(test.claim_all(Queue::Llm, 1).await);
    }
    assert_eq!(shares(&test, &drawn).await.get("late"), Some(&1));
}

#[tokio::test]
async fn what_has_waited_long_overtakes_what_is_more_urgent() {
    let test = TestEngine::new().await;
    let patient = accept(&test.engine, 5).await;
    let urgent = accept(&test.engine, 1).await;
    let order = async || test.claim_all(Queue::Llm, 2).await.iter().map(|it| it.run).collect::<Vec<_>>();
    assert_eq!(order().await, [urgent, patient]);
    advance(test.pool(), TestEngine::LEASE).await;
    test.execute(&format!("update job set rank = rank - interval '21 min' where run_id = '{patient}'")).await;
    assert_eq!(order().await, [patient, urgent], "four steps of priority are worth 20 minutes");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_jobs_of_a_limited_key_are_held_than_the_limit_says() {
    let test = TestEngine::new().await;
    product(&test, "narrow", 20).await;
    let key: Key = "product:narrow".parse().unwrap();
    let mut connection = test.pool().acquire().await.unwrap();
    limit::put(&mut connection, &key, 3).await.unwrap();
    for _ in 0..4 {
        let all = join_all((0..16).map(|_| test.claim_all(Queue::Llm, 2))).await;
        let held: Vec<Lease> = all.into_iter().flatten().collect();
        assert_eq!(held.len(), 3);
        assert_eq!(test.claim_all(Queue::Llm, 10).await, [], "the limit is reached");
        assert!(job::give_back(test.pool(), &held[0]).await.unwrap());
        assert_eq!(test.claim_all(Queue::Llm, 10).await.len(), 1, "one was given back");
        // Those leases run out: they hold nothing any more.
        advance(test.pool(), TestEngine::LEASE).await;
    }
    limit::remove(&mut *connection, &key).await.unwrap();
    test.execute("update job set lost = 0").await;
    assert_eq!(test.claim_all(Queue::Llm, 20).await.len(), 20, "any number without the limit");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn jobs_that_are_held_when_a_limit_is_set_count() {
    let test = TestEngine::new().await;
    product(&test, "narrow", 4).await;
    assert_eq!(test.claim_all(Queue::Llm, 2).await.len(), 2);
    let mut connection = test.pool().acquire().await.unwrap();
    limit::put(&mut connection, &"product:narrow".parse().unwrap(), 3).await.unwrap();
    assert_eq!(test.claim_all(Queue::Llm, 10).await.len(), 1);
}

/// They wait for a claim that counts, and every claim tells that they do.
#[tokio::test]
async fn a_claim_that_does_not_count_hands_out_no_limited_job() {
    let test = TestEngine::new().await;
    product(&test, "free", 1).await;
    product(&test, "narrow", 2).await;
    let mut connection = test.pool().acquire().await.unwrap();
    limit::put(&mut connection, &"product:narrow".parse().unwrap(), 1).await.unwrap();
    let taken = claim(&test, true, false).await;
    assert_eq!(taken.claims.len(), 1);
    assert!(!taken.claims[0].lease.guarded && taken.guarded_due);
    let taken = claim(&test, true, true).await;
    assert_eq!(taken.claims.len(), 1);
    assert!(
        taken.claims[0].lease.guarded && taken.claims[0].lease.keys == ["product:narrow", "model:default"]
    );
}

#[tokio::test]
async fn a_branch_gets_one_merge_at_a_time() {
    let test = TestEngine::new().await;
    product(&test, "one", 2).await;
    product(&test, "two", 1).await;
    test.execute("update job set keys = array['merge:acme/' || product || ':main'] || keys, guarded = true")
        .await;
    let leases = test.claim_all(Queue::Llm, 10).await;
    assert_eq!(shares(&test, &leases).await, [("one".to_owned(), 1), ("two".to_owned(), 1)].into());
    assert_eq!(test.claim_all(Queue::Llm, 10).await, []);
}

#[tokio::test]
async fn what_lost_two_workers_is_handed_out_beside_no_other_such_job() {
    let test = TestEngine::new().await;
    product(&test, "odd", 3).await;
    for lost in 0..2 {
        let leases = claim(&test, true, false).await.claims;
        assert!(leases.iter().all(|claim| claim.lease.lost == lost && !claim.lease.is_suspect()));
        // All of them were in the hands of a worker that died.
        advance(test.pool(), TestEngine::LEASE).await;
    }
    assert_eq!(claim(&test, false, false).await.claims.len(), 0, "the worker has one already");
    let suspects = claim(&test, true, false).await.claims;
    assert_eq!(suspects.len(), 1);
    assert!(suspects[0].lease.is_suspect());
    let fresh = product(&test, "even", 2).await;
    let beside = claim(&test, false, false).await.claims;
    assert!(beside.iter().all(|claim| fresh.contains(&claim.lease.run)) && beside.len() == 2);
    // A failure of its own is no death: the job is under no suspicion any more.
    test.engine.fail(&suspects[0].lease, "tester", "e", None).await.unwrap();
    advance(test.pool(), Duration::from_secs(3600)).await;
    assert_eq!(test.query::<i64>("select count(*) from job where lost = 0").await, 3);
}

#[tokio::test]
async fn a_run_that_this_release_cannot_read_keeps_nobody_else_waiting() {
    let test = TestEngine::new().await;
    let (strange, plain) = (test.accept().await, test.accept().await);
    test.execute(&format!(
        "update run set state = jsonb_set(state, '{{state,is}}', '\"dreaming\"') where id = '{strange}'"
    ))
    .await;
    let taken = claim(&test, true, false).await;
    let read = |run: Uuid| taken.claims.iter().find(|claim| claim.lease.run == run).unwrap().run.is_ok();
    assert_eq!((read(strange), read(plain)), (false, true));
    let lease = &taken.claims.iter().find(|claim| claim.lease.run == strange).unwrap().lease;
    assert!(job::leave(test.pool(), lease, Duration::from_secs(60)).await.unwrap());
    assert_eq!(test.query::<i32>(&format!("select attempts from job where run_id = '{strange}'")).await, 0);
    assert_eq!(test.claim_all(Queue::Llm, 10).await, [], "a newer release has a minute to find it");
}
