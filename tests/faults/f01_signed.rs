//! F1: a worker is killed right after the forge has made a signed commit, before it has heard of it.

use std::sync::{Arc, Mutex};

use aspora::dev::github::{Enforcement, Phase, Rules};

use crate::env::{KillScope, TestPostgres, block_on, invariants};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f01_a_signed_commit_is_made_once_though_its_worker_is_killed() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    let started = env.start_run("p").await;
    let signed = Rules { signatures: true, ..Rules::default() };
    env.twin.add_ruleset(&started.repository, "main", Enforcement::Active, signed).unwrap();
    let main = env.twin.branch(&started.repository, "main").await.unwrap();
    let (twin, repository) = (Arc::downgrade(&env.twin), started.repository.clone());
    let branch = env.read(started.run).await.spec.branch;
    let (workers, last) = (env.workers.clone(), Mutex::new(main));
    env.twin.on_request(Arc::new(move |request, phase| {
        if phase != Phase::AfterApply || request.path != "/graphql" {
            return;
        }
        let Some(head) = block_on(twin.upgrade().unwrap().branch(&repository, &branch)).unwrap() else {
            return;
        };
        // Other questions in GraphQL move no branch.
        if last.lock().unwrap().replace(head.clone()) != Some(head) {
            workers.replace(KillScope::Process);
        }
    }));
    env.workers.spawn();
    invariants::assert_hold(&env, &started, None).await;
    assert_eq!(env.workers.killed(), 2, "after the change, and after its fix");
    let pushed = env.twin.ledger().iter().any(|it| it.applied && it.path.ends_with("/git-receive-pack"));
    assert!(!pushed, "everything was committed by the forge");
}
