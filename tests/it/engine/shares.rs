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

use super::support::{Ground, accept, advance, assert_sound};

/// Adds a product with runs that wait for their first step.
async fn product(ground: &Ground, name: &str, runs: usize) -> Vec<Uuid> {
    let (repository, known) = (format!("acme/{name}").parse().unwrap(), name.parse().unwrap());
    store::product::put(ground.pool(), &known, &repository, "main", &[]).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..runs {
        let requirement = Requirement::new(name, "One more", "Please.", 3).unwrap();
        all.push(ground.engine.accept(&requirement, "pm").await.unwrap().run);
    }
    all
}

/// How many of these jobs each product has.
async fn shares(ground: &Ground, leases: &[Lease]) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for lease in leases {
        *shares.entry(ground.run(lease.run).await.spec.product).or_default() += 1;
    }
    shares
}

async fn claim(ground: &Ground, suspects: bool, guarded: bool) -> job::ClaimBatch {
    let request = ClaimRequest { worker: "tester", lease: Ground::LEASE, suspects, guarded };
    job::claim(&mut ground.pool().acquire().await.unwrap(), &[(Queue::Llm, 10)], request).await.unwrap()
}

#[tokio::test]
async fn products_share_a_queue_however_many_jobs_they_have() {
    let ground = Ground::new().await;
    product(&ground, "long", 30).await;
    product(&ground, "short", 5).await;
    let leases = ground.claim_all(Queue::Llm, 10).await;
    assert_eq!(shares(&ground, &leases).await, [("long".to_owned(), 5), ("short".to_owned(), 5)].into());
}

/// Each slot is drawn at random: to miss a share in 24 of 24 draws has a chance of one in 16 million.
#[tokio::test]
async fn a_product_gets_its_share_of_slots_that_become_free_one_by_one() {
    let ground = Ground::new().await;
    product(&ground, "early", 24).await;
    product(&ground, "late", 1).await;
    let mut drawn = Vec::new();
    for _ in 0..24 {
        drawn.extend(ground.claim_all(Queue::Llm, 1).await);
    }
    assert_eq!(shares(&ground, &drawn).await.get("late"), Some(&1));
}

#[tokio::test]
async fn a_job_that_has_waited_long_overtakes_a_more_urgent_one() {
    let ground = Ground::new().await;
    let patient = accept(&ground.engine, 5).await;
    let urgent = accept(&ground.engine, 1).await;
    let order = async || ground.claim_all(Queue::Llm, 2).await.iter().map(|it| it.run).collect::<Vec<_>>();
    assert_eq!(order().await, [urgent, patient]);
    advance(ground.pool(), Ground::LEASE).await;
    ground
        .execute(&format!("update job set rank = rank - interval '21 min' where run_id = '{patient}'"))
        .await;
    assert_eq!(order().await, [patient, urgent], "four steps of priority are worth 20 minutes");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_jobs_of_a_limited_key_run_than_the_limit_allows() {
    let ground = Ground::new().await;
    product(&ground, "narrow", 20).await;
    let key: Key = "product:narrow".parse().unwrap();
    let mut connection = ground.pool().acquire().await.unwrap();
    limit::put(&mut connection, &key, 3).await.unwrap();
    for _ in 0..4 {
        let all = join_all((0..16).map(|_| ground.claim_all(Queue::Llm, 2))).await;
        let held: Vec<Lease> = all.into_iter().flatten().collect();
        assert_eq!(held.len(), 3);
        assert_eq!(ground.claim_all(Queue::Llm, 10).await, [], "the limit is reached");
        assert!(job::release(ground.pool(), &held[0]).await.unwrap());
        assert_eq!(ground.claim_all(Queue::Llm, 10).await.len(), 1, "one was released");
        // Leases that have run out do not count.
        advance(ground.pool(), Ground::LEASE).await;
    }
    limit::remove(&mut *connection, &key).await.unwrap();
    ground.execute("update job set lost = 0").await;
    assert_eq!(ground.claim_all(Queue::Llm, 20).await.len(), 20, "any number without the limit");
    assert_sound(&ground.engine).await;
}

#[tokio::test]
async fn jobs_that_run_when_a_limit_is_set_count() {
    let ground = Ground::new().await;
    product(&ground, "narrow", 4).await;
    assert_eq!(ground.claim_all(Queue::Llm, 2).await.len(), 2);
    let mut connection = ground.pool().acquire().await.unwrap();
    limit::put(&mut connection, &"product:narrow".parse().unwrap(), 3).await.unwrap();
    assert_eq!(ground.claim_all(Queue::Llm, 10).await.len(), 1);
}

/// They wait for a guarded claim, and every claim returns that they do.
#[tokio::test]
async fn an_unguarded_claim_takes_no_job_with_a_limited_key() {
    let ground = Ground::new().await;
    product(&ground, "free", 1).await;
    product(&ground, "narrow", 2).await;
    let mut connection = ground.pool().acquire().await.unwrap();
    limit::put(&mut connection, &"product:narrow".parse().unwrap(), 1).await.unwrap();
    let batch = claim(&ground, true, false).await;
    assert_eq!(batch.claims.len(), 1);
    assert!(!batch.claims[0].lease.guarded && batch.guarded_due);
    let batch = claim(&ground, true, true).await;
    assert_eq!(batch.claims.len(), 1);
    assert!(
        batch.claims[0].lease.guarded && batch.claims[0].lease.keys == ["product:narrow", "model:default"]
    );
}

#[tokio::test]
async fn a_branch_gets_one_merge_at_a_time() {
    let ground = Ground::new().await;
    product(&ground, "one", 2).await;
    product(&ground, "two", 1).await;
    ground
        .execute("update job set keys = array['merge:acme/' || product || ':main'] || keys, guarded = true")
        .await;
    let leases = ground.claim_all(Queue::Llm, 10).await;
    assert_eq!(shares(&ground, &leases).await, [("one".to_owned(), 1), ("two".to_owned(), 1)].into());
    assert_eq!(ground.claim_all(Queue::Llm, 10).await, []);
}

#[tokio::test]
async fn a_worker_runs_one_job_at_a_time_that_lost_two_workers() {
    let ground = Ground::new().await;
    product(&ground, "odd", 3).await;
    for lost in 0..2 {
        let leases = claim(&ground, true, false).await.claims;
        assert!(leases.iter().all(|claim| claim.lease.lost == lost && !claim.lease.is_suspect()));
        // All their leases run out.
        advance(ground.pool(), Ground::LEASE).await;
    }
    assert_eq!(claim(&ground, false, false).await.claims.len(), 0, "the worker runs one already");
    let suspects = claim(&ground, true, false).await.claims;
    assert_eq!(suspects.len(), 1);
    assert!(suspects[0].lease.is_suspect());
    let fresh = product(&ground, "even", 2).await;
    let beside = claim(&ground, false, false).await.claims;
    assert!(beside.iter().all(|claim| fresh.contains(&claim.lease.run)) && beside.len() == 2);
    // An attempt that fails by itself clears the suspicion.
    ground.engine.fail(&suspects[0].lease, "tester", "e", None).await.unwrap();
    advance(ground.pool(), Duration::from_secs(3600)).await;
    assert_eq!(ground.ask::<i64>("select count(*) from job where lost = 0").await, 3);
}

#[tokio::test]
async fn a_run_that_this_release_cannot_read_delays_no_other() {
    let ground = Ground::new().await;
    let (strange, plain) = (ground.accept().await, ground.accept().await);
    ground
        .execute(&format!(
            "update run set state = jsonb_set(state, '{{state,is}}', '\"dreaming\"') where id = '{strange}'"
        ))
        .await;
    let batch = claim(&ground, true, false).await;
    let read = |run: Uuid| batch.claims.iter().find(|claim| claim.lease.run == run).unwrap().stored.is_ok();
    assert_eq!((read(strange), read(plain)), (false, true));
    let lease = &batch.claims.iter().find(|claim| claim.lease.run == strange).unwrap().lease;
    assert!(job::unclaim(ground.pool(), lease, Duration::from_secs(60)).await.unwrap());
    assert_eq!(ground.ask::<i32>(&format!("select attempts from job where run_id = '{strange}'")).await, 0);
    assert_eq!(ground.claim_all(Queue::Llm, 10).await, [], "it is left to a newer release for a minute");
}
